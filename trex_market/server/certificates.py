"""Making a certificate for machines of a local network, and the authority that signs it.

    ca.crt      what those have to trust who connect
    ca.key      signs further certificates; stays where it is
    server.crt  the server's certificate, and the authority's
    server.key  its key

The authority can sign for local names and private addresses alone, and for those that were named when it was
made: who trusts it trusts it with nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path

import msgspec

from trex_market.core.errors import InputError, MissingExtraError
from trex_market.server.addresses import Address, host_name, lan_addresses

try:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        load_pem_private_key,
    )
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
except ImportError as missing:
    raise MissingExtraError("making certificates", "tls") from missing

CA_DAYS = 3_650
SERVER_DAYS = 820
"""Some systems take no certificate that is good for more than 825 days."""

LOCAL_DOMAINS = ("local", "localhost", "lan", "internal", "home.arpa")

LOCAL_NETWORKS = tuple(
    ip_network(network)
    for network in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    )
)


class Certificates(msgspec.Struct, frozen=True):
    """What was made.

    Args:
        authority: file that others have to trust.
        certificate: file of the server's certificate.
        key: file of its key.
        hosts: names and addresses that the certificate is good for.
        until: last day on which it is good.
        is_new_authority: whether the authority was made now, too.
    """

    authority: Path
    certificate: Path
    key: Path
    hosts: tuple[str, ...]
    until: datetime
    is_new_authority: bool


def make_certificates(directory: Path, hosts: Sequence[str] = ()) -> Certificates:
    """Make a certificate for this machine, signed by an authority that is made, too, unless it is there.

    Args:
        directory: where the files go.
        hosts: further names and addresses that the certificate shall be good for.

    Raises:
        InputError: if the directory cannot be written, or the authority in it is no good.
    """
    names = [host_name(), f"{host_name()}.local", "localhost"]
    addresses = [ip_address("127.0.0.1"), ip_address("::1"), *lan_addresses()]
    asked_names, asked_addresses = _asked(hosts)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        is_new = not (directory / "ca.crt").exists()
        if is_new:
            _make_authority(directory, [*names, *asked_names], [*addresses, *asked_addresses])
        authority, authority_key = _read_authority(directory)
        permitted = Permitted(authority)
        permitted.check(asked_names, asked_addresses, directory)
        names = [*filter(permitted.name, names), *asked_names]
        addresses = [*filter(permitted.address, addresses), *asked_addresses]
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _server_certificate(key, authority, authority_key, names, addresses)
        _write(directory / "server.key", _pem_key(key), 0o600)
        _write(directory / "server.crt", _pem(certificate) + _pem(authority), 0o644)
    except OSError as error:
        raise InputError(f"{error.filename or directory}: {error.strerror}") from error
    return Certificates(
        directory / "ca.crt",
        directory / "server.crt",
        directory / "server.key",
        tuple(dict.fromkeys([*names, *map(str, addresses)])),
        certificate.not_valid_after_utc,
        is_new,
    )


def _asked(hosts: Sequence[str]) -> tuple[list[str], list[Address]]:
    """Return names, and addresses."""
    names: list[str] = []
    addresses: list[Address] = []
    for host in hosts:
        try:
            addresses.append(ip_address(host.strip("[]")))
        except ValueError:
            names.append(_checked_name(host))
    return names, addresses


def _checked_name(host: str) -> str:
    try:
        name = host.lower().rstrip(".").encode("idna").decode()
    except UnicodeError:
        name = ""
    if not name or not all(letter.isalnum() or letter in "-._*" for letter in name):
        raise InputError(
            f"{host!r} is neither a name nor an address; such as --host pi.local or --host 192.168.1.5"
        )
    return name


def _make_authority(directory: Path, names: Sequence[str], addresses: Sequence[Address]) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    domains = dict.fromkeys([*LOCAL_DOMAINS, *names])
    networks = dict.fromkeys([*LOCAL_NETWORKS, *(ip_network(address) for address in addresses)])
    permitted: list[x509.GeneralName] = [x509.DNSName(domain) for domain in domains]
    permitted += [x509.IPAddress(network) for network in networks]
    name = _name(f"trex_market of {host_name()}")
    uses = _key_usage(signs_certificates=True)
    authority = (
        _builder(name, name, key, CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(uses, critical=True)
        .add_extension(x509.NameConstraints(permitted, None), critical=True)
        .sign(key, SHA256())
    )
    _write(directory / "ca.key", _pem_key(key), 0o600)
    _write(directory / "ca.crt", _pem(authority), 0o644)


def _read_authority(directory: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    try:
        authority = x509.load_pem_x509_certificate((directory / "ca.crt").read_bytes())
        key = load_pem_private_key((directory / "ca.key").read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{directory}: ca.crt or ca.key is damaged; make new ones in another directory"
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != authority.public_key():
        raise InputError(f"{directory}: ca.key is not that of ca.crt; make new ones in another directory")
    if authority.not_valid_after_utc < datetime.now(UTC) + timedelta(days=1):
        raise InputError(f"{directory}: ca.crt is no longer good; make new ones in another directory")
    return authority, key


class Permitted:
    """What an authority may sign for: names and what is below them, networks.

    Args:
        authority: its certificate; one without constraints may sign for everything.
    """

    def __init__(self, authority: x509.Certificate) -> None:
        try:
            constraints = authority.extensions.get_extension_for_class(x509.NameConstraints).value
        except x509.ExtensionNotFound:
            self._everything = True
            return
        self._everything = False
        permitted = constraints.permitted_subtrees or []
        self._domains = [one.value for one in permitted if isinstance(one, x509.DNSName)]
        self._networks = [
            one.value
            for one in permitted
            if isinstance(one, x509.IPAddress) and isinstance(one.value, IPv4Network | IPv6Network)
        ]

    def name(self, name: str) -> bool:
        """Say whether it may sign for a name."""
        return self._everything or any(f".{name}".endswith(f".{domain}") for domain in self._domains)

    def address(self, address: Address) -> bool:
        """Say whether it may sign for an address."""
        return self._everything or any(address in network for network in self._networks)

    def check(self, names: Sequence[str], addresses: Sequence[Address], directory: Path) -> None:
        """Check that it may sign for names and addresses.

        Raises:
            InputError: if it may not.
        """
        refused = [name for name in names if not self.name(name)]
        refused += [str(address) for address in addresses if not self.address(address)]
        if refused:
            raise InputError(
                f"{directory}: its authority was not made for {', '.join(refused)}; "
                "make a new one in another directory"
            )


def _server_certificate(
    key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    names: Sequence[str],
    addresses: Sequence[Address],
) -> x509.Certificate:
    subjects: list[x509.GeneralName] = [x509.DNSName(name) for name in dict.fromkeys(names)]
    subjects += [x509.IPAddress(address) for address in dict.fromkeys(addresses)]
    return (
        _builder(_name(names[0]), authority.subject, key, SERVER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(subjects), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
        )
        .sign(authority_key, SHA256())
    )


# ---------------------------------------------------------------- pieces


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # the others' clocks may be behind
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def _pem_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(path: Path, data: bytes, mode: int) -> None:
    """Write a file that nobody else could read at any time, if its mode says so."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
    draft.replace(path)
