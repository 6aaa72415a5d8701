"""A certificate authority of one's own and a server certificate, kept in the state folder.

A CA, and not a lone self-signed certificate, so that clients go on trusting us when addresses change.
EC P-256: every JVM from 8 on and Go know it, and making a key takes a millisecond.
"""

from __future__ import annotations

import contextlib
import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from chalicelib.private_folder import locked, write_private

CA_LIFETIME = timedelta(days=3650)
SERVER_LIFETIME = timedelta(days=397)  # the most that some clients (Apple's) accept of a server certificate
RENEW_BEFORE = timedelta(days=30)
_BACKDATE = timedelta(minutes=5)  # clocks of containers and hosts may differ a little


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Where the PEM files lie; the keys are readable by their owner alone."""

    folder: Path

    @property
    def ca(self) -> Path:
        """Return the CA certificate, which clients are given."""
        return self.folder / "ca.crt"

    @property
    def ca_key(self) -> Path:
        """Return the CA's private key."""
        return self.folder / "ca.key"

    @property
    def chain(self) -> Path:
        """Return the server's certificate and private key, in one file."""
        return self.folder / "server.pem"

    def discard(self, top: Path) -> None:
        """Remove them, and the folders above them up to `top` that hold nothing else.

        Nothing is removed where something stands beside them: a server that started at the same time uses them.
        """
        with contextlib.suppress(OSError), locked(self.folder):  # not empty, or no folder at all
            if [*self.folder.parent.iterdir()] != [self.folder]:
                return
            for file in (self.ca, self.ca_key, self.chain):
                file.unlink(missing_ok=True)
            for folder in (self.folder, *self.folder.parents):
                folder.rmdir()
                if folder == top:
                    break


def ensure_certificates(files: CertificateFiles, names: frozenset[str], now: datetime) -> None:
    """Make what is missing, about to expire, or lacks one of `names` (host names and IP addresses).

    The CA is kept as long as it lives, so that kubeconfigs handed out stay good. Safe to repeat, and for several
    servers at the same time: one makes them, the others find them.
    """
    with locked(files.folder):
        ca = _load(files.ca)
        if ca is None or not files.ca_key.exists() or _expires_soon(ca, now):
            ca = _make_ca(files, now)
            files.chain.unlink(missing_ok=True)
        server = _load(files.chain)
        if server is None or _expires_soon(server, now) or not names <= _names_of(server):
            kept = _names_of(server) if server is not None else frozenset()
            _make_server(files, ca, names | kept, now)


def server_context(files: CertificateFiles) -> ssl.SSLContext:
    """Return a TLS context (1.2 or newer) with the server's certificate.

    HTTP/1.1 alone is offered: Spark 3.5's client would take h2 for requests if it were.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(files.chain)
    return context


def _load(path: Path) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        return None


def _expires_soon(certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_after_utc - RENEW_BEFORE < now


def _names_of(certificate: x509.Certificate) -> frozenset[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = (str(address) for address in names.get_values_for_type(x509.IPAddress))
    return frozenset(names.get_values_for_type(x509.DNSName)) | frozenset(addresses)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _make_ca(files: CertificateFiles, now: datetime) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(f"sparkanywhere local CA {now.astimezone(UTC):%Y-%m-%d %H:%M}")
    certificate = (
        _builder(subject, subject, key, now, CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    write_private(files.ca_key, _key_pem(key))
    write_private(files.ca, certificate.public_bytes(serialization.Encoding.PEM))
    return certificate


def _make_server(files: CertificateFiles, ca: x509.Certificate, names: frozenset[str], now: datetime) -> None:
    ca_key = serialization.load_pem_private_key(files.ca_key.read_bytes(), password=None)
    assert isinstance(ca_key, ec.EllipticCurvePrivateKey)  # our own file; narrows the type
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder(_subject("sparkanywhere"), ca.subject, key, now, SERVER_LIFETIME)
        .add_extension(x509.SubjectAlternativeName([_general_name(n) for n in sorted(names)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    write_private(files.chain, certificate.public_bytes(serialization.Encoding.PEM) + _key_pem(key))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, lifetime: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATE)
        .not_valid_after(now + lifetime)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
