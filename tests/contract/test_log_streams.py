"""What a container writes to stdout and to stderr, apart, on every provider that declares that it can tell them."""

from __future__ import annotations

import pytest

from chalicelib.providers import registry
from chalicelib.providers.base import LogOptions, LogStream, Provider
from tests.contract.provider_backends import container, ended, task

SCRIPT = "echo out1; echo err1 >&2; sleep 0.05; printf out2; printf err2 >&2"


def said(provider: Provider, handle: str, options: LogOptions) -> str:
    """Return what a log holds."""
    return b"".join(provider.logs(handle, "main", options)).decode()


@pytest.mark.parametrize(("stream", "expected"), [("stdout", "out1\nout2"), ("stderr", "err1\nerr2")])
@pytest.mark.parametrize("follow", [False, True])
def test_a_stream_comes_alone_and_as_it_is(
    containers: Provider, stream: LogStream, expected: str, follow: bool
) -> None:
    handle = containers.run(task(container(SCRIPT))).handle
    ended(containers, handle)

    assert registry.find(containers.name).splits_output
    assert said(containers, handle, LogOptions(stream=stream, follow=follow)) == expected


def test_a_stream_is_cut_off_by_its_own_bytes(containers: Provider) -> None:
    handle = containers.run(task(container("echo error >&2; echo one; echo two"))).handle
    ended(containers, handle)

    assert said(containers, handle, LogOptions(stream="stdout", limit_bytes=5)) == "one\nt"


def test_a_long_line_of_one_stream_is_not_cut_by_the_other(containers: Provider) -> None:
    script = "head -c 40000 /dev/zero | tr '\\0' x; echo noise >&2; sleep 0.05; echo; echo more >&2"
    handle = containers.run(task(container(script))).handle
    ended(containers, handle)

    assert said(containers, handle, LogOptions(stream="stdout")) == "x" * 40_000 + "\n"
    assert said(containers, handle, LogOptions(stream="stderr")) == "noise\nmore\n"


def test_what_goes_through_the_streams_names_is_told_apart(containers: Provider) -> None:
    handle = containers.run(task(container("echo out > /dev/stdout; echo err > /dev/stderr"))).handle
    ended(containers, handle)

    assert said(containers, handle, LogOptions(stream="stdout")) == "out\n"
    assert said(containers, handle, LogOptions(stream="stderr")) == "err\n"
