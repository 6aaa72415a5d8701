"""What makes a cold start on Lambda short: app.py imports this before all else, and says when it is done.

Nothing of what is imported and built once is ever garbage, and looking for some takes a tenth of a cold start.
"""

from __future__ import annotations

import gc
import os

ON_LAMBDA = "AWS_LAMBDA_FUNCTION_NAME" in os.environ  # not by config.py, whose import takes its time

if ON_LAMBDA:
    gc.disable()


def initialised() -> None:
    """Look for garbage from now on, and not in what is there. Elsewhere than on Lambda nothing happens."""
    if ON_LAMBDA:
        gc.enable()
        gc.freeze()
