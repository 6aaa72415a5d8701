"""Background work that is done at once: for tests, which wait for nothing."""

from __future__ import annotations

from chalicelib.controllers.runtime.background import Work, guarded


class Inline:
    """Does the work at once, whatever its delay; errors are logged, as in a thread."""

    is_busy = False

    def __call__(self, work: Work, *, delay_seconds: float = 0.0) -> None:
        """Do the work now."""
        del delay_seconds
        guarded(work)

    def settle(self, timeout_seconds: float) -> bool:
        """Return True: nothing is ever left."""
        del timeout_seconds
        return True

    def close(self) -> None:
        """Have nothing to drop."""


inline = Inline()
