"""Why no answer came, in the words of a sentence's end: those of Python and OpenSSL are for programmers."""

from __future__ import annotations

import os
import socket
import ssl
from http.client import HTTPException
from urllib.error import URLError


def why_unreachable(error: Exception) -> str:
    """Return it for what urllib and http.client raise; never empty."""
    cause = error.reason if isinstance(error, URLError) else error
    match cause:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted ({cause.verify_message.rstrip('.')})"
        case ssl.SSLError():
            return f"no TLS connection ({(cause.reason or str(cause)).replace('_', ' ').lower()})"
        case TimeoutError():
            return "it was silent for too long"
        case socket.gaierror():
            return f"its name is not known here ({cause.strerror})"
        case HTTPException():
            return f"what answers there does not speak HTTP, or was cut off ({type(cause).__name__})"
        case OSError() if cause.errno is not None:
            return os.strerror(cause.errno).lower()
    return str(cause) or type(cause).__name__
