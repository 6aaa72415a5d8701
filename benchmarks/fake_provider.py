"""The tests' fake provider as one of a server's own: `--provider benchmarks.fake_provider` runs tasks in memory."""

from __future__ import annotations

from sparkanywhere.providers import declaration
from tests.fake_provider import FakeProvider

DECLARATION = declaration.ProviderDeclaration(
    name="fake", summary="nothing, in memory", build=lambda _: FakeProvider(), not_honoured=()
)
