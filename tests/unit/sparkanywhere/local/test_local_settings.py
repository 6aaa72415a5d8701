"""From what was asked of `chalice local` to the environment of the control plane."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.config import Settings, SettingsError
from sparkanywhere.local.local_settings import LocalOptions, announcement, client_url, environment, resolve
from sparkanywhere.webserver.limits import MIB

HOME = {"XDG_STATE_HOME": "/state"}


def test_an_option_beats_the_environment_and_that_the_default() -> None:
    environ = {**HOME, "SPARKANYWHERE_PROVIDER": "none", "SPARKANYWHERE_INSTANCE": "other"}

    settings = resolve(LocalOptions(provider="docker"), environ)

    assert (settings.provider, settings.instance, settings.storage) == ("docker", "other", "sqlite")
    assert settings.state == Path("/state/sparkanywhere/other")


def test_an_option_can_switch_off_what_the_environment_says() -> None:
    assert resolve(LocalOptions(tls=False), {**HOME, "SPARKANYWHERE_TLS": "1"}).tls is False


def test_a_bad_value_in_the_environment_is_named() -> None:
    with pytest.raises(SettingsError, match="SPARKANYWHERE_PROVIDER is 'podman'"):
        resolve(LocalOptions(), {**HOME, "SPARKANYWHERE_PROVIDER": "podman"})


@pytest.mark.parametrize(
    ("host", "tls", "url"),
    [
        ("127.0.0.1", False, "http://127.0.0.1:80"),
        ("0.0.0.0", True, "https://127.0.0.1:80"),
        ("::", False, "http://[::1]:80"),
        ("::1", False, "http://[::1]:80"),
        ("box", False, "http://box:80"),
    ],
)
def test_clients_get_a_url_they_can_use(host: str, tls: bool, url: str) -> None:
    assert client_url(host, 80, tls=tls) == url


@pytest.mark.parametrize(
    ("options", "needs"),
    [
        (LocalOptions(), False),
        (LocalOptions(host="127.8.8.8"), False),
        (LocalOptions(host="localhost"), False),
        (LocalOptions(host="::1"), False),
        (LocalOptions(host="0.0.0.0"), True),
        (LocalOptions(host="box"), True),
        (LocalOptions(provider="docker"), True),
        (LocalOptions(provider="slurm"), True),
        (LocalOptions(tls=True), True),
    ],
)
def test_a_token_is_needed_where_others_reach_us_or_kubectl_would_ask(options: LocalOptions, needs: bool) -> None:
    assert resolve(options, HOME).needs_token is needs


@pytest.mark.parametrize(
    ("options", "environ", "tls"),
    [
        (LocalOptions(), {}, False),
        (LocalOptions(provider="docker"), {}, True),
        (LocalOptions(provider="docker", tls=False), {}, False),
        (LocalOptions(provider="docker"), {"SPARKANYWHERE_TLS": "0"}, False),
        (LocalOptions(tls=True), {}, True),
        (LocalOptions(token="t"), {}, False),
        (LocalOptions(), {"SPARKANYWHERE_TOKEN": "t"}, False),
        (LocalOptions(host="0.0.0.0"), {}, True),
    ],
)
def test_where_others_can_reach_it_there_is_tls_unless_somebody_says_otherwise(
    options: LocalOptions, environ: dict[str, str], tls: bool
) -> None:
    """kubectl sends a token over https alone, and containers are let in by a token alone."""
    settings = resolve(options, {**HOME, **environ})

    assert settings.tls is tls
    assert settings.url.startswith("https://" if tls else "http://")


def test_the_control_plane_reads_back_what_was_decided() -> None:
    settings = resolve(LocalOptions(port=8123, tls=True, token="t", provider="none"), HOME)

    read = Settings.from_env({**HOME, **environment(settings, HOME)})

    assert (read.url, read.pod_url, read.watch) == ("https://127.0.0.1:8123",) * 2 + ("streamed",)
    assert (read.tls, read.token, read.provider) == (True, "t", "none")
    assert read.ca_file == "/state/sparkanywhere/default/tls/ca.crt"
    assert read.state_dir({}) == settings.state


def test_urls_of_the_users_own_stay() -> None:
    environ = {**HOME, "SPARKANYWHERE_URL": "https://proxy", "SPARKANYWHERE_WATCH": "buffered"}

    found = environment(resolve(LocalOptions(), environ), environ)

    assert (found["SPARKANYWHERE_URL"], found["SPARKANYWHERE_POD_URL"]) == ("https://proxy", "https://proxy")
    assert found["SPARKANYWHERE_WATCH"] == "buffered"


def test_containers_get_a_name_that_their_network_knows() -> None:
    settings = resolve(LocalOptions(provider="docker", port=8123, tls=True), HOME)

    assert environment(settings, HOME)["SPARKANYWHERE_POD_URL"] == "https://kubernetes.default.svc:8123"


@pytest.mark.parametrize(
    ("options", "environ", "knows_peers", "serves", "needs_token"),
    [
        (LocalOptions(), {}, True, "user", False),
        (LocalOptions(), {}, False, "known", True),  # a system that does not say whose connections are
        (LocalOptions(), {"SPARKANYWHERE_ANY_LOCAL_USER": "1"}, True, "machine", False),
        (LocalOptions(), {"SPARKANYWHERE_ANY_LOCAL_USER": "1"}, False, "machine", False),
        (LocalOptions(token="t"), {}, True, "known", False),
        (LocalOptions(token="t"), {}, False, "known", False),
        (LocalOptions(), {"SPARKANYWHERE_TOKEN_FILE": "/tokens"}, False, "known", False),
        (LocalOptions(provider="docker"), {}, True, "known", True),
        (LocalOptions(provider="docker"), {"SPARKANYWHERE_ANY_LOCAL_USER": "1"}, True, "known", True),
        (LocalOptions(tls=True), {}, True, "known", True),
    ],
)
def test_without_a_token_a_server_is_its_users_alone(
    options: LocalOptions, environ: dict[str, str], knows_peers: bool, serves: str, needs_token: bool
) -> None:
    settings = resolve(options, {**HOME, **environ}, knows_peers=knows_peers)

    assert (settings.serves, settings.needs_token) == (serves, needs_token)


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({}, "serves your programs alone"),
        ({"SPARKANYWHERE_ANY_LOCAL_USER": "1"}, "Open mode"),
        ({"SPARKANYWHERE_TOKEN_FILE": "/tokens"}, "Callers need a token"),
        ({"SPARKANYWHERE_TOKEN": "t"}, "A token is asked for"),
    ],
)
def test_who_is_served_is_said(environ: dict[str, str], words: str) -> None:
    text = announcement(resolve(LocalOptions(port=8123), {**HOME, **environ}))

    assert words in text
    assert "export KUBECONFIG=/state/sparkanywhere/default/kubeconfig" in text
    assert "spark-submit --master k8s://http://127.0.0.1:8123 --deploy-mode cluster" in text


@pytest.mark.parametrize(("instance", "on"), [("default", ""), ("team", " --on laptop/team")])
def test_our_own_commands_are_told_first(instance: str, on: str) -> None:
    text = announcement(resolve(LocalOptions(instance=instance), HOME))

    told = text.partition("Type next:\n")[2].splitlines()
    assert told[:2] == [f"  sparkanywhere run{on} my_job.py", f"  sparkanywhere ps{on}"]


def test_limits_of_the_web_server_are_settings() -> None:
    environ = {"CONNECTIONS": "30", "CLIENT_CONNECTIONS": "20", "TRANSFER_MIB": "4", "REQUEST_SECONDS": "9"}

    limits = resolve(LocalOptions(), HOME | {f"SPARKANYWHERE_{name}": text for name, text in environ.items()}).limits

    assert (limits.connections, limits.client_connections, limits.transfer_bytes) == (30, 20, 4 * MIB)
    assert (limits.body_seconds, limits.head_seconds) == (9, 3)


def test_a_token_without_tls_comes_with_a_warning() -> None:
    plain = announcement(resolve(LocalOptions(token="t", tls=False), HOME))

    assert "kubectl sends it over https alone" in plain
    assert "https alone" not in announcement(resolve(LocalOptions(token="t", tls=True), HOME))


def test_a_token_is_never_printed_but_its_file_is() -> None:
    text = announcement(resolve(LocalOptions(token="geheim", tls=True), HOME))

    assert "geheim" not in text
    assert "oauthTokenFile=/state/sparkanywhere/default/token" in text
    assert "caCertFile=/state/sparkanywhere/default/tls/ca.crt" in text
