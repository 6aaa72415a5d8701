"""Which Maven repository jars come from: a mirror that is set, that of Maven's own settings, or Maven Central.

Settings Reference of Apache Maven, "Mirrors" and "Servers"; its advanced forms of <mirrorOf> are read as far as they
can mean `central`. DEFAULT_ARTIFACT_REPOSITORY is the variable by which Spark itself takes another repository
(org.apache.spark.util.MavenUtils, 3.5 to 4.3). Proxies are those of the environment, as urllib finds them.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import Request
from xml.etree import ElementTree

from chalicelib.config import PREFIX
from sparkanywhere.client.failure import Failure
from sparkanywhere.client.loopback import is_loopback
from sparkanywhere.jars.coordinate import Coordinate
from sparkanywhere.spark import maven_central

MIRROR = f"{PREFIX}MAVEN_MIRROR"
SPARKS_OWN = "DEFAULT_ARTIFACT_REPOSITORY"
EVERYTHING = ("*", "external:*", "central")
SCHEMES = ("http", "https", "file")
_LOGIN = re.compile(r"^([\w+.-]+://)?.*@", re.DOTALL)  # also one with a / or without a scheme, as it may be mistyped


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository by its URL without a user, "" for Maven Central; who chose it; and what lets us in."""

    url: str = ""
    chosen_by: str = ""
    authorization: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"{self.url} ({self.chosen_by})" if self.url else "Maven Central"

    @property
    def is_of_this_machine(self) -> bool:
        """Return whether other machines, and containers, have not got it under its URL."""
        parts = urlsplit(self.url)
        return parts.scheme == "file" or is_loopback(parts.hostname or "")

    def request(self, jar: Coordinate, ending: str = "", *, headers: Mapping[str, str] | None = None) -> Request:
        """Return the request for a jar, or for the file beside it with that ending. No other host gets the login."""
        asked = Request(self.url_of(jar) + ending, headers=dict(headers or {}))
        if self.authorization:
            asked.add_unredirected_header("Authorization", self.authorization)
        return asked

    def url_of(self, jar: Coordinate) -> str:
        """Return where it has a jar."""
        if self.url:
            return f"{self.url.rstrip('/')}/{jar.path}"
        return f"{maven_central.url_of(jar.group, jar.artifact, jar.version)}{jar.file_name}"


def find_repository(environ: Mapping[str, str], *, home: Path) -> Repository:
    """Return where this user's jars come from; `home` is the folder that has .m2/settings.xml.

    Raises Failure for what is no URL.
    """
    for name in (MIRROR, SPARKS_OWN):
        if url := environ.get(name, "").strip():
            return _with_login(url, name)
    settings = home / ".m2" / "settings.xml"
    return next(_mirrors(settings, environ), Repository())


def _with_login(url: str, chosen_by: str, user: str = "", password: str = "") -> Repository:
    try:
        parts = urlsplit(url)
        is_known = parts.scheme in SCHEMES and (parts.port or True)  # a port that is no number raises
    except ValueError:
        is_known = False
    if not is_known:
        shown = _LOGIN.sub(r"\1", url)
        raise Failure(f"{shown!r} of {chosen_by} is no URL of a Maven repository: write it like https://host/maven2.")
    user, password = unquote(parts.username or "") or user, unquote(parts.password or "") or password
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    login = f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}" if user else ""
    return Repository(bare, chosen_by, login)


def _mirrors(settings: Path, environ: Mapping[str, str]) -> Iterator[Repository]:
    """Yield the mirrors of Maven Central that a settings file names; none where it cannot be read."""
    try:
        root = ElementTree.fromstring(settings.read_bytes())
    except (OSError, ElementTree.ParseError):
        return
    servers = {_text(each, "id"): each for each in root.iterfind("{*}servers/{*}server")}
    for mirror in root.iterfind("{*}mirrors/{*}mirror"):
        wanted = [each.strip() for each in _text(mirror, "mirrorOf").split(",")]
        if "!central" in wanted or not any(each in EVERYTHING for each in wanted):
            continue
        server = servers.get(_text(mirror, "id"))
        login = ["" if server is None else _filled(_text(server, key), environ) for key in ("username", "password")]
        yield _with_login(_filled(_text(mirror, "url"), environ), f"the mirror in {settings}", *login)


def _text(element: ElementTree.Element, key: str) -> str:
    return (element.findtext(f"{{*}}{key}") or "").strip()


def _filled(text: str, environ: Mapping[str, str]) -> str:
    """Return a text with ${env.NAME} replaced, as Maven does."""
    for name, value in environ.items():
        text = text.replace(f"${{env.{name}}}", value)
    return text
