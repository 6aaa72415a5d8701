"""A Java that is three lines of shell."""

from __future__ import annotations

from pathlib import Path


def fake_java(home: Path, *, version_line: str, modules: str) -> Path:
    """Write a `java` that knows -version and --list-modules and else prints its arguments."""
    java = home / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(
        "#!/bin/sh\n"
        'case "$1" in\n'
        f"  -version) echo '{version_line}' >&2 ;;\n"
        f"  --list-modules) echo '{modules}' ;;\n"
        "  *) printf '%s\\n' \"$@\" ;;\n"
        "esac\n"
    )
    java.chmod(0o755)
    return java
