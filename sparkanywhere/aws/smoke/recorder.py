"""Recorder: what a step asked of the API and of AWS and what they answered, as files that become fixtures of tests."""

from __future__ import annotations

import json
import threading
import time
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sparkanywhere.aws.smoke.outcome import Outcome
from sparkanywhere.aws.smoke.redaction import Redactor

# Of a connection or a moment, or somebody's credentials.
LEFT_OUT = ("authorization", "x-amz-apigw-id", "x-amz-cf-id", "x-amz-cf-pop", "via", "cookie", "set-cookie")
Record = dict[str, Any]  # JSON


class Recorder:
    """Writes one file for each step into a folder, redacted. Safe to call from many threads."""

    def __init__(self, folder: Path, redact: Redactor) -> None:
        self.folder = folder
        self._redact = redact
        self._records: list[Record] = []
        self._lock = threading.Lock()
        self._files = 0

    def listen(self, session: Any) -> None:  # Any: a boto3.Session
        """Record from now on each call that the session's clients make."""
        session.events.register("before-parameter-build", _remember)
        session.events.register("after-call", self._aws)

    def add(self, kind: str, **record: Any) -> None:  # Any: JSON
        """Add one record to the step that runs."""
        with self._lock:
            self._records.append({"kind": kind, **record})

    def write(self, outcome: Outcome) -> Path:
        """Write what was recorded since the last step; return the file."""
        with self._lock:
            records, self._records, self._files = self._records, [], self._files + 1
        about = {"step": outcome.step, "state": outcome.state, "text": outcome.text, "seconds": outcome.seconds}
        text = json.dumps({**about, "records": records}, indent=1, default=str, ensure_ascii=False)
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.folder / f"{self._files:02}-{outcome.step}.json"
        path.write_text(self._redact(text) + "\n")
        return path

    def pack(self) -> Path:
        """Return a zip of all files, beside their folder."""
        path = self.folder.with_suffix(".zip")
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for each in sorted(self.folder.glob("*.json")):
                archive.write(each, each.name)
        return path

    def _aws(self, parsed: Any, model: Any, context: Mapping[str, Any], **_: Any) -> None:  # Any: botocore's
        answer = {key: value for key, value in parsed.items() if key != "ResponseMetadata"}
        about = {"service": model.service_model.service_name, "operation": model.name}
        self.add("aws", at=time.time(), **about, request=context.get("our_request"), answer=answer)


def headers_of(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the headers that say something about the server, and nothing about a person."""
    return [(name, text) for name, text in pairs if name.lower() not in LEFT_OUT]


def _remember(params: Any, context: Any, **_: Any) -> None:  # Any: botocore's
    context["our_request"] = dict(params)
