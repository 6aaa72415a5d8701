"""The page at `/`: one self-contained document of the data files beside this one, made when first asked for.

It holds no stored data and no secret, so it needs no token; what it shows it reads from the API, with the token and
the permissions of its viewer. The Content-Security-Policy names its script and its style by their hashes, so that
nothing injected through a pod's name or log can run.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from pathlib import Path

from chalice.app import Response

from chalicelib.endpoints.http.responses import JSON_TYPES, Headers, parse_accept
from chalicelib.providers.registry import reference_prices

FOLDER = Path(__file__).parent
# Each uses those before it.
SCRIPTS = ("format.js", "model.js", "client.js", "charts.js", "spark.js", "detail.js", "page.js")
HTML_TYPE = "text/html; charset=utf-8"
POLICY = (
    "default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def wants_page(accept: str) -> bool:
    """Return whether an Accept header prefers HTML to what other clients get, as a browser's does."""
    for name, _ in parse_accept(accept):
        if name in ("text/html", "application/xhtml+xml"):
            return True
        if name in JSON_TYPES or name == "application/yaml":
            return False
    return False


def page_response() -> Response:
    """Return the page. It needs no token; the browser keeps no copy of it."""
    html, policy = document()
    headers: Headers = {
        "Content-Type": HTML_TYPE,
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cache-Control": "no-store",
        "Vary": "Accept",
    }
    return Response(body=html, status_code=200, headers=headers)


@cache
def document() -> tuple[str, str]:
    """Return the page's HTML and its Content-Security-Policy."""
    style = _read("page.css")
    script = '"use strict";\n(() => {\n' + "\n".join(_read(name) for name in SCRIPTS) + "})();\n"
    listed = reference_prices()
    shown = {"date": listed.date, "source": listed.source, "minimum_seconds": listed.rates.minimum_seconds}
    data = json.dumps(shown).replace("<", "\\u003c")  # "</script>" would end the element
    html = _read("page.html")
    for name, text in (("style", style), ("prices", data), ("script", script)):
        html = html.replace(f"<!-- {name} -->", text)
    return html, POLICY.format(script=_hash(script), style=_hash(style))


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
