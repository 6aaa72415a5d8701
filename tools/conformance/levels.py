"""How far an answer agrees with the recorded one. Each level includes those before it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tools.conformance.cases import Json

LEVELS = ("status", "reason", "given", "shape", "body", "exact")


def agreed(want: Json, got: Json) -> list[str]:
    """Return the levels at which an answer agrees: all up to the first at which it does not."""
    checks = {
        "status": want["status"] == got["status"],
        "reason": _reason(want) == _reason(got),
        "given": all(kind == "missing" for kind, _ in differences(_without_texts(want), _without_texts(got))),
        "shape": _without_texts(want) == _without_texts(got),
        "body": _content(want) == _content(got),
        "exact": _whole(want) == _whole(got),
    }
    failed = next((number for number, level in enumerate(LEVELS) if not checks[level]), len(LEVELS))
    return list(LEVELS[:failed])


def differences(want: Any, got: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield what differs: `missing`, `extra` or `other`, and a sentence with the place."""
    if isinstance(want, dict) and isinstance(got, dict):
        for key in sorted({*want, *got}):
            if key not in got:
                yield "missing", f"{path}/{key}: missing, a real server has {_short(want[key])}"
            elif key not in want:
                yield "extra", f"{path}/{key}: {_short(got[key])}, a real server has none"
            else:
                yield from differences(want[key], got[key], f"{path}/{key}")
    elif isinstance(want, list) and isinstance(got, list) and len(want) == len(got):
        for number, pair in enumerate(zip(want, got, strict=True)):
            yield from differences(*pair, f"{path}/{number}")
    elif want != got:
        yield "other", f"{path}: {_short(got)}, a real server has {_short(want)}"


def content_differences(want: Json, got: Json) -> list[str]:
    """Return what differs in status and content, in sentences."""
    sides = [{"status": each["status"], "content": _content(each)} for each in (want, got)]
    return [text for _, text in differences(sides[0], sides[1])]


def _reason(answer: Json) -> Any:
    """Return what an answer is: kind or reason of a Status, or the events of a watch."""
    if "events" in answer:
        return [(event["type"], *_kind(event["object"])) for event in answer["events"]]
    return _kind(answer.get("body"))


def _kind(body: Any) -> tuple[Any, ...]:
    if not isinstance(body, dict):
        return (type(body).__name__,)
    return (body.get("kind", "text" if "<text>" in body else None), *(body.get(key) for key in ("reason", "code")))


def _content(answer: Json) -> Any:
    return _without_managers(answer["events"] if "events" in answer else answer.get("body"))


def _whole(answer: Json) -> Any:
    return [answer.get(key) for key in ("body", "events", "ended", "headers")]


def _without_managers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_managers(each) for key, each in value.items() if key != "managedFields"}
    return [_without_managers(each) for each in value] if isinstance(value, list) else value


def _without_texts(answer: Json) -> Any:
    """Return the content without what is for people, and a Status's causes in no order of their own."""

    def stripped(value: Any, *, is_cause: bool = False) -> Any:
        if isinstance(value, list):
            return [stripped(each) for each in value]
        if not isinstance(value, dict):
            return value
        is_text = is_cause or value.get("kind") == "Status"
        made = {key: stripped(each) for key, each in value.items() if not (is_text and key == "message")}
        if isinstance(value.get("causes"), list):
            causes = [stripped(each, is_cause=True) for each in value["causes"]]
            made["causes"] = sorted(causes, key=lambda cause: json.dumps(cause, sort_keys=True))
        return made

    return stripped(_content(answer))


def _short(value: Any) -> str:
    return json.dumps(value)[:160]
