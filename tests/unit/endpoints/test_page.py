"""Who gets the page at `/`, what guards it, and what it is made of."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest

from chalicelib.endpoints import page

CHROMIUM = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"
FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
MAX_BYTES = 60_000


@pytest.mark.parametrize("accept", [CHROMIUM, FIREFOX, "text/html", "application/json;q=0.5, text/html"])
def test_browsers_get_the_page(accept: str) -> None:
    assert page.wants_page(accept)


@pytest.mark.parametrize(
    "accept",
    ["", "*/*", "application/json", "application/json, */*", "application/yaml", "text/html;q=0.1, */*", "image/png"],
)
def test_other_clients_get_json(accept: str) -> None:
    assert not page.wants_page(accept)


def test_the_page_is_one_small_document_without_outside_requests() -> None:
    html, _ = page.document()

    assert html.startswith("<!doctype html>")
    assert len(html.encode()) < MAX_BYTES
    assert "<!-- " not in html  # every part has been put in
    assert re.findall(r"https?://[^\"'\s]+", html) == ["http://www.w3.org/2000/svg"]  # a name, never fetched
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=\"(?!data:,)", html)


def test_texts_never_become_markup() -> None:
    html, _ = page.document()

    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function("):
        assert way not in html


def test_the_policy_names_the_script_and_the_style_by_their_hashes() -> None:
    html, policy = page.document()

    for tag in ("script", "style"):
        texts = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        assert len(texts) == 1
        digest = base64.b64encode(hashlib.sha256(texts[0].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_the_answer_is_guarded_and_not_kept() -> None:
    headers = page.page_response().headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Vary"] == "Accept"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


def test_every_file_of_the_page_is_used() -> None:
    files = {each.name for each in Path(page.__file__).parent.iterdir() if each.is_file()}

    assert files == {"__init__.py", "page.html", "page.css", *page.SCRIPTS}
