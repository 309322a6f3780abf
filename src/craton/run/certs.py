"""`craton certs`: an authority and a certificate for each service, so that services trust each other and no others."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from craton.checking import check_name
from craton.errors import SettingsError

AUTHORITY_DAYS, SERVICE_DAYS = 3650, 90
RENEW = 1 / 3
"""What is left of a certificate's time when it is renewed."""
RESERVED = {"gateway", "operator"}  # no names for one's own services, but these have certificates, too
USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)


def certs(
    folder: Path, services: Sequence[str], *, hosts: Sequence[str] = (), now: datetime | None = None,
) -> list[str]:
    """Make what is missing, and renew what expires soon; what was done, a line each.

    The folder then holds `ca.crt` and `ca.key`, and `SERVICE.crt` and `SERVICE.key` of each service. A machine needs
    ca.crt and the two files of its services; ca.key stays where this runs.
    """
    for name in {*services} - RESERVED:
        check_name(name, "service")
    if both := sorted(set(hosts) & set(services)):
        raise SettingsError(f"--hosts has the service {both[0]}: every certificate would hold its name; leave it out.")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        authority = Authority(folder, now or datetime.now(UTC))
        return [*authority.ready(), *(line for name in services for line in authority.certify(name, hosts))]
    except OSError as error:
        raise SettingsError(f"cannot write {error.filename} ({error.strerror}): choose another folder.") from error


class Authority:
    """Who signs for all services: its key and certificate in a folder."""

    def __init__(self, folder: Path, now: datetime) -> None:
        self.folder, self.now = folder, now
        self.name = named("Craton services")

    def ready(self) -> Iterator[str]:
        """Its key, made where there is none, and its certificate, renewed with the same key."""
        key, file = self.folder / "ca.key", self.folder / "ca.crt"
        if not key.exists():
            if file.exists():
                raise SettingsError(f"{file} is there, and ca.key is not: put the key back, or use another folder.")
            write(key, pem_of(generate_private_key(SECP256R1())))
        self.key = read_key(key)
        self.certificate = read_certificate(file)
        if self.certificate and self.certificate.public_key() != self.key.public_key():
            raise SettingsError(f"{key} is not the key of ca.crt: put the right one back, or use another folder.")
        if self.certificate is None or self.ends_soon(self.certificate):
            done = "renewed" if self.certificate else "made"
            self.certificate = self.sign(self.name, self.key, days=AUTHORITY_DAYS, names=())
            write(file, self.certificate.public_bytes(Encoding.PEM))
            yield f"{done} ca.crt, valid for {AUTHORITY_DAYS} days"

    def certify(self, service: str, hosts: Sequence[str]) -> Iterator[str]:
        """A service's key and certificate, unless it has them for long enough."""
        file, key_file = self.folder / f"{service}.crt", self.folder / f"{service}.key"
        names = [name_of(host) for host in (service, *hosts)]
        found = read_certificate(file)
        if found and key_file.exists() and self.is_good(found, names):
            return
        key = generate_private_key(SECP256R1())
        signed = self.sign(named(service), key, days=SERVICE_DAYS, names=names)
        write(key_file, pem_of(key))
        write(file, signed.public_bytes(Encoding.PEM))
        yield f"{'renewed' if found else 'made'} {service}.crt, valid for {SERVICE_DAYS} days"

    def is_good(self, found: x509.Certificate, names: Sequence[x509.GeneralName]) -> bool:
        """Whether a certificate is ours, holds these names, and is valid for a while."""
        try:
            assert self.certificate
            found.verify_directly_issued_by(self.certificate)
            held = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
            return False
        return set(names) <= set(held) and not self.ends_soon(found)

    def ends_soon(self, found: x509.Certificate) -> bool:
        """Whether a certificate is to be renewed."""
        lifetime = found.not_valid_after_utc - found.not_valid_before_utc
        return found.not_valid_after_utc - self.now < lifetime * RENEW

    def sign(
        self, subject: x509.Name, key: EllipticCurvePrivateKey, *, days: int, names: Sequence[x509.GeneralName],
    ) -> x509.Certificate:
        """A certificate for a key; without names that of the authority itself."""
        public, own = key.public_key(), not names
        usages = {"key_cert_sign", "crl_sign"} if own else {"digital_signature"}
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        extensions: list[tuple[x509.ExtensionType, bool]] = [
            (x509.BasicConstraints(ca=own, path_length=0 if own else None), True),
            (x509.KeyUsage(**{name: name in usages for name in USAGES}), True),
            (x509.SubjectKeyIdentifier.from_public_key(public), False), (issuer, False),
        ]
        if names:
            both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
            extensions += [(x509.ExtendedKeyUsage(both), False), (x509.SubjectAlternativeName(names), False)]
        made = x509.CertificateBuilder(
            self.name, subject, public, x509.random_serial_number(),
            self.now - timedelta(hours=1), self.now + timedelta(days=days),  # clocks differ
        )
        for extension, critical in extensions:
            made = made.add_extension(extension, critical=critical)
        return made.sign(self.key, SHA256())


def named(name: str) -> x509.Name:
    """Whose a certificate is."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def name_of(host: str) -> x509.GeneralName:
    """A name or an address as a certificate has it."""
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def read_key(file: Path) -> EllipticCurvePrivateKey:
    """The private key in a file."""
    try:
        found = load_pem_private_key(file.read_bytes(), None)
    except (ValueError, TypeError):
        found = None
    if isinstance(found, EllipticCurvePrivateKey):
        return found
    raise SettingsError(f"{file} holds no key that can be used: put the right one back, or use another folder.")


def read_certificate(file: Path) -> x509.Certificate | None:
    """The certificate in a file; None where there is none."""
    try:
        return x509.load_pem_x509_certificate(file.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def pem_of(key: EllipticCurvePrivateKey) -> bytes:
    """A key as text."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def write(file: Path, data: bytes) -> None:
    """Put a file in its place at once, for its owner alone."""
    new = file.with_name(f".{file.name}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as opened:
        opened.write(data)
    new.replace(file)
