"""VENs from other machines: each is who its certificate says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from openleadr import utils

from tests.openadr.helpers import Ven, site
from trex_market.core.errors import InputError
from trex_market.openadr.node import NodeSettings, check_settings
from trex_market.openadr.tls import mutual_context, trusting
from trex_market.server.certificates import Certificates, _read_authority, make_certificates


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"))


def certified(made: Certificates, name: str) -> dict[str, str]:
    """Make a VEN's certificate and key, and return what its client needs."""
    folder = made.authority.parent
    authority, authority_key = _read_authority(folder)
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(authority_key, SHA256())
    )
    (folder / f"{name}.crt").write_bytes(certificate.public_bytes(Encoding.PEM))
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / f"{name}.key").write_bytes(secret)
    return {
        "cert": str(folder / f"{name}.crt"),
        "key": str(folder / f"{name}.key"),
        "ca_file": str(made.authority),
    }


def fingerprint(options: dict[str, str]) -> str:
    """Return a certificate's fingerprint, as OpenADR has it."""
    return str(utils.certificate_fingerprint(Path(options["cert"]).read_text()))


async def test_a_ven_is_who_its_certificate_says(made: Certificates, tmp_path: Path) -> None:
    ann, bob = certified(made, "ann"), certified(made, "bob")
    vens = {"ann": fingerprint(ann), "bob": fingerprint(bob)}
    tls = mutual_context(made.certificate, made.key, made.authority)
    async with site(tmp_path, vens=vens, tls=tls) as here:
        assert here.url.startswith("https://")
        await here.invites()
        async with Ven("ann", here.url, **ann) as ven:
            assert [event["event_descriptor"]["event_id"] for event in ven.heard] == ["noon"]
            assert (await here.devices())["heater"]["accepts"] is True
            ven.client.ven_id = "bob"
            kind, payload = await ven.client.poll()
            assert (kind, payload["response"]["response_code"]) == ("oadrResponse", 463)
            assert await ven.answers("optIn") == 463
        assert (await here.devices())["pump"]["accepts"] is None
        stranger = Ven("bob", here.url, **ann)
        await stranger.client.run()
        assert stranger.client.registration_id is None
        nobody = Ven(
            "ann",
            here.url,
            **(certified(make_certificates(tmp_path / "other"), "ann") | {"ca_file": ann["ca_file"]}),
        )
        await nobody.client.run()
        assert nobody.client.registration_id is None


def test_with_tls_each_ven_has_a_certificate(made: Certificates) -> None:
    tls = mutual_context(made.certificate, made.key, made.authority)
    for vens in (None, {}, {"ann": "AA", "bob": None}):
        with pytest.raises(InputError, match="each VEN has a certificate"):
            check_settings(NodeSettings(tls=tls, vens=vens))
    check_settings(NodeSettings(host="0.0.0.0", tls=tls, vens={"ann": "AA"}))


def test_files_that_are_no_good_are_told(made: Certificates, tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    for files in (
        (empty, made.key, made.authority),
        (made.certificate, made.authority, made.authority),
        (made.certificate, made.key, tmp_path / "none.pem"),
    ):
        with pytest.raises(InputError, match="TLS"):
            mutual_context(*files)
    for file in (empty, tmp_path / "none.pem"):
        with pytest.raises(InputError, match="no authority"):
            trusting(file)
    assert trusting(None) is None
    assert trusting(made.authority) is not None
