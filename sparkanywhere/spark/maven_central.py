"""Where Maven Central is: whoever makes URLs of package URLs knows (packageurl)."""

from __future__ import annotations

from packageurl.contrib.purl2url import get_download_url


def url_of(group: str, artifact: str, version: str) -> str:
    """Return the URL of an artifact's folder there, with its slash."""
    folder = get_download_url(f"pkg:maven/{group}/{artifact}@{version}")  # type: ignore[no-untyped-call]
    return f"{str(folder).rpartition('/')[0]}/"
