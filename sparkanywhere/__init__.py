"""What runs on a person's machine and is never deployed: command line, dev server, job submission.

`from sparkanywhere import Client, JobSpec` is the Python API; `from sparkanywhere import session` is for notebooks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sparkanywhere.jobs.client import App, Client
    from sparkanywhere.jobs.connect_session import session
    from sparkanywhere.jobs.spec import JobSpec

__all__ = ["App", "Client", "JobSpec", "session"]


def __getattr__(name: str) -> Any:  # Any: whichever class is asked for, imported only then
    if name in ("App", "Client"):
        from sparkanywhere.jobs import client

        return getattr(client, name)
    if name == "session":
        from sparkanywhere.jobs.connect_session import session

        return session
    if name == "JobSpec":
        from sparkanywhere.jobs.spec import JobSpec

        return JobSpec
    raise AttributeError(name)
