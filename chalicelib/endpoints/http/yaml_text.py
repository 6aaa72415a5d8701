"""YAML as a real server writes it: keys in order, text that looks like something else in double quotes.

Compare sigs.k8s.io/yaml (v1.36), which is go-yaml: multi-line text in literal blocks, lines never folded.
"""

from __future__ import annotations

from typing import Any

import yaml

_WIDTH = 2**31  # of a line: none is folded
_ALSO_BOOLEAN = ("y", "Y", "n", "N")  # to YAML 1.1 readers that are not PyYAML


class _Dumper(yaml.SafeDumper):
    """Writes text in the styles of go-yaml."""

    def ignore_aliases(self, data: Any) -> bool:  # Any: as the parent declares it
        """Write a value that occurs twice in full, as go-yaml does, without an anchor."""
        del data
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    resolver: Any = dumper  # Any: PyYAML's resolver has no types
    style = None
    if "\n" in value:
        style = "|"
    elif value in _ALSO_BOOLEAN or resolver.resolve(yaml.ScalarNode, value, (True, False)) != _STR:
        style = '"'
    return dumper.represent_scalar(_STR, value, style)


_STR = "tag:yaml.org,2002:str"
_Dumper.add_representer(str, _text)


def yaml_text(value: Any) -> str:  # Any: JSON
    """Return JSON as YAML."""
    text: str = yaml.dump(
        value, Dumper=_Dumper, sort_keys=True, default_flow_style=False, allow_unicode=True, width=_WIDTH
    )
    return text
