"""The authority and the server certificate of a state folder."""

from __future__ import annotations

import ssl
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sparkanywhere.local.certificates import CertificateFiles, ensure_certificates, server_context

NOW = datetime.now(UTC)  # certificates are checked against the machine's clock
NAMES = frozenset({"localhost", "127.0.0.1"})


@pytest.fixture
def files(tmp_path: Path) -> CertificateFiles:
    """A folder with certificates made now."""
    made = CertificateFiles(tmp_path)
    ensure_certificates(made, NAMES, NOW)
    return made


def handshake(files: CertificateFiles, name: str) -> str | None:
    """Shake hands in memory with a client that trusts our authority; return the protocol agreed on."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    trusting = ssl.create_default_context(cafile=str(files.ca))
    trusting.set_alpn_protocols(["h2", "http/1.1"])
    client = trusting.wrap_bio(to_client, to_server, server_hostname=name)
    server = server_context(files).wrap_bio(to_server, to_client, server_side=True)
    waiting = [client, server]
    for _ in range(10):
        for side in list(waiting):
            try:
                side.do_handshake()
                waiting.remove(side)
            except ssl.SSLWantReadError:
                pass
        if not waiting:
            return client.selected_alpn_protocol()
    raise AssertionError("no handshake")


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_who_trusts_the_authority_trusts_the_server(files: CertificateFiles, name: str) -> None:
    assert handshake(files, name) == "http/1.1"


def test_other_names_are_not_trusted(files: CertificateFiles) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(files, "10.0.0.1")


def test_private_keys_are_for_their_owner_alone(files: CertificateFiles) -> None:
    assert {stat.S_IMODE(path.stat().st_mode) for path in (files.ca_key, files.chain)} == {0o600}


def test_nothing_is_made_anew_without_need(files: CertificateFiles) -> None:
    before = (files.ca.read_bytes(), files.chain.read_bytes())

    ensure_certificates(files, NAMES, NOW + timedelta(days=300))

    assert (files.ca.read_bytes(), files.chain.read_bytes()) == before


def test_a_new_address_gets_a_new_certificate_of_the_same_authority(files: CertificateFiles) -> None:
    authority = files.ca.read_bytes()

    ensure_certificates(files, frozenset({"10.0.0.1"}), NOW)

    assert files.ca.read_bytes() == authority
    assert handshake(files, "10.0.0.1") == handshake(files, "localhost") == "http/1.1"


def test_a_certificate_about_to_expire_is_renewed(files: CertificateFiles) -> None:
    before = files.chain.read_bytes()

    ensure_certificates(files, NAMES, NOW + timedelta(days=390))

    assert files.chain.read_bytes() != before


def test_a_new_authority_signs_a_new_certificate(files: CertificateFiles) -> None:
    files.ca_key.unlink()

    ensure_certificates(files, NAMES, NOW)

    assert handshake(files, "localhost") == "http/1.1"


def test_files_that_were_torn_are_made_again(files: CertificateFiles) -> None:
    files.chain.write_bytes(b"-----BEGIN")

    ensure_certificates(files, NAMES, NOW)

    assert handshake(files, "localhost") == "http/1.1"


def test_servers_that_start_at_the_same_time_share_one_authority(tmp_path: Path) -> None:
    files = CertificateFiles(tmp_path / "tls")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: ensure_certificates(files, NAMES, NOW), range(16)))

    assert handshake(files, "localhost") == "http/1.1"


def test_a_start_that_fails_leaves_certificates_to_the_server_beside_it(tmp_path: Path) -> None:
    alone, shared = (CertificateFiles(tmp_path / name / "state" / "tls") for name in ("alone", "shared"))
    for files in (alone, shared):
        ensure_certificates(files, NAMES, NOW)
    (shared.folder.parent / "lock").touch()

    for files in (alone, shared):
        files.discard(tmp_path)

    assert not (tmp_path / "alone").exists()
    assert handshake(shared, "localhost") == "http/1.1"
