"""TLS: a certificate that is made here, who trusts it, and what is said of one that is no good."""

from __future__ import annotations

import asyncio
import ssl
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from participants.client import Client
from participants.trust import CA_VARIABLE
from tests.server.helpers import Hall, free_port, hall, home, soon, start_process
from tests.shell_helpers import Shell, run_process, study
from trex_market.core.errors import InputError, ParticipantError
from trex_market.server.addresses import host_name
from trex_market.server.certificates import Certificates, make_certificates
from trex_market.server.tls import server_context


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates of this machine, and of two names and addresses besides."""
    return make_certificates(tmp_path_factory.mktemp("tls"), ["market.example", "192.0.2.7", "2001:db8::7"])


def files(made: Certificates) -> dict[str, str]:
    """Return the server's settings."""
    return {"certificate": str(made.certificate), "key": str(made.key)}


def subjects(path: Path) -> set[str]:
    """Return what a certificate is good for."""
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(name.value) for name in names}


# ---------------------------------------------------------------- making


def test_it_is_good_for_this_machine_and_what_is_named(made: Certificates) -> None:
    usual = {host_name(), f"{host_name()}.local", "localhost", "127.0.0.1", "::1"}
    assert subjects(made.certificate) >= usual | {"market.example", "192.0.2.7", "2001:db8::7"}
    assert subjects(made.certificate) == set(made.hosts)


def test_nobody_else_can_read_the_keys(made: Certificates) -> None:
    folder = made.certificate.parent
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == {"ca.crt": 0o644, "ca.key": 0o600, "server.crt": 0o644, "server.key": 0o600}


def test_the_strictest_check_finds_nothing_wrong(made: Certificates) -> None:
    checked = subprocess.run(
        [
            "openssl",
            "verify",
            "-x509_strict",
            "-purpose",
            "sslserver",
            "-CAfile",
            made.authority,
            made.certificate,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_second_time_the_authority_stays(tmp_path: Path) -> None:
    first = make_certificates(tmp_path / "new" / "tls", ["a.lan"])
    authority, server = first.authority.read_bytes(), first.certificate.read_bytes()
    second = make_certificates(tmp_path / "new" / "tls", ["b.lan", "10.20.30.40"])
    assert (first.is_new_authority, second.is_new_authority) == (True, False)
    assert second.authority.read_bytes() == authority
    assert second.certificate.read_bytes() != server
    assert {"b.lan", "10.20.30.40"} <= subjects(second.certificate)
    assert "a.lan" not in subjects(second.certificate)
    assert server_context(str(second.certificate), str(second.key))


def test_the_authority_is_good_for_nothing_far_away(tmp_path: Path) -> None:
    made = make_certificates(tmp_path)
    with pytest.raises(InputError, match=r"its authority was not made for bank\.example, 8\.8\.8\.8"):
        make_certificates(tmp_path, ["bank.example", "8.8.8.8", "pi.local"])
    authority = x509.load_pem_x509_certificate(made.authority.read_bytes())
    key = _key_of(tmp_path / "ca.key")
    stolen = ec.generate_private_key(ec.SECP256R1())
    forged = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(authority.subject)
        .public_key(stolen.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("bank.example")]), critical=True)
        .sign(key, SHA256())
    )
    (tmp_path / "forged.crt").write_bytes(forged.public_bytes(Encoding.PEM))
    checked = subprocess.run(
        ["openssl", "verify", "-CAfile", made.authority, tmp_path / "forged.crt"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode != 0
    assert "permitted subtree violation" in checked.stdout + checked.stderr


def _key_of(path: Path) -> ec.EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


@pytest.mark.parametrize("host", ["", "two words", "http://pi.local", "pi.local:3100", "a/b", "-\udcff"])
def test_what_is_no_host_is_told(tmp_path: Path, host: str) -> None:
    with pytest.raises(InputError, match="neither a name nor an address"):
        make_certificates(tmp_path / "tls", [host])
    assert not (tmp_path / "tls").exists()


def test_a_damaged_authority_is_not_replaced(tmp_path: Path) -> None:
    made = make_certificates(tmp_path)
    (tmp_path / "ca.key").rename(tmp_path / "safe")
    with pytest.raises(InputError, match=r"ca\.key: No such file"):
        make_certificates(tmp_path)
    (tmp_path / "ca.key").write_bytes(made.key.read_bytes())
    with pytest.raises(InputError, match=r"ca\.key is not that of ca\.crt"):
        make_certificates(tmp_path)
    (tmp_path / "ca.key").write_text("nonsense")
    with pytest.raises(InputError, match="damaged"):
        make_certificates(tmp_path)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file"):
        make_certificates(tmp_path / "file" / "tls")


# ---------------------------------------------------------------- using


async def plays(place: Hall, *clients: Client) -> None:
    """Let clients play to the end."""
    playing = place.start()
    joined = [place.joins(client) for client in clients]
    await soon(playing)
    for task in joined:
        await soon(task)


async def test_who_trusts_the_authority_joins(made: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    async with hall(["ann", "bob"], rounds=2, **files(made)) as place:
        assert place.url.startswith("https://127.0.0.1:")
        monkeypatch.setenv(CA_VARIABLE, str(made.authority))
        bob = Client(home("bob"), place.url.replace("127.0.0.1", "localhost"))
        monkeypatch.delenv(CA_VARIABLE)
        await plays(place, Client(home("ann"), place.url, ca_cert=made.authority), bob)
        assert place.ledger.contracts


async def test_who_does_not_is_told_once_and_why(made: Certificates, tmp_path: Path) -> None:
    other = make_certificates(tmp_path)
    async with hall(["ann"], **files(made)) as place:
        for client in (
            Client(home("ann"), place.url),
            Client(home("ann"), place.url, ca_cert=other.authority),
        ):
            with pytest.raises(
                ParticipantError, match=r"certificate of https://.* is not trusted.*--ca-cert FILE"
            ):
                await asyncio.wait_for(client.run(), 5)


async def test_a_certificate_for_other_names_is_not_trusted(tmp_path: Path) -> None:
    made = make_certificates(tmp_path)
    key = ec.generate_private_key(ec.SECP256R1())
    authority = x509.load_pem_x509_certificate(made.authority.read_bytes())
    elsewhere = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("10.0.0.1"))]), critical=True)
        .sign(_key_of(tmp_path / "ca.key"), SHA256())
    )
    made.certificate.write_bytes(elsewhere.public_bytes(Encoding.PEM))
    made.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, _none()))
    async with hall(["ann"], **files(made)) as place:
        with pytest.raises(ParticipantError, match="is not trusted: IP address mismatch"):
            await soon(Client(home("ann"), place.url, ca_cert=made.authority).run())


def _none() -> object:
    from cryptography.hazmat.primitives.serialization import NoEncryption

    return NoEncryption()


async def test_nothing_older_than_tls_1_2_is_spoken(made: Certificates) -> None:
    async with hall(["ann"], **files(made)) as place:
        context = ssl.create_default_context(cafile=made.authority)
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientConnectorError):
                await session.get(place.url, ssl=context)


@pytest.mark.parametrize("content", [None, "nonsense", ""])
async def test_an_authority_that_is_no_good_is_told(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.crt"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=r"ca\.crt (cannot be read|is not the certificate of an authority)"):
        Client(home("ann"), "https://127.0.0.1:1", ca_cert=path)


# ---------------------------------------------------------------- what is said of files that are no good


def test_certificate_and_key_that_are_no_good_are_told(
    made: Certificates, tmp_path: Path, shell: Shell
) -> None:
    other = make_certificates(tmp_path / "other")
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense")
    locked = tmp_path / "locked.key"
    encrypted = _key_of(made.key).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    locked.write_bytes(encrypted)
    good, key = made.certificate, made.key
    cases: list[tuple[list[str | Path], str]] = [
        (["--tls-cert", tmp_path / "none.crt", "--tls-key", key], "none.crt cannot be read: No such file"),
        (["--tls-cert", good, "--tls-key", tmp_path / "none.key"], "none.key cannot be read: No such file"),
        (["--tls-cert", tmp_path, "--tls-key", key], "cannot be read: Is a directory"),
        (["--tls-cert", good, "--tls-key", other.key], "other/server.key is not that of the certificate"),
        (["--tls-cert", nonsense, "--tls-key", key], "are not a certificate and its key, in PEM"),
        (["--tls-cert", good, "--tls-key", nonsense], "are not a certificate and its key, in PEM"),
        (["--tls-cert", good, "--tls-key", locked], "are not a certificate and its key, in PEM"),
        (["--tls-cert", key, "--tls-key", good], "are not a certificate and its key, in PEM"),
        (
            ["--tls-cert", good],
            "does not hold a certificate and its key, in PEM; name the key with --tls-key",
        ),
        (["--tls-key", key], "--tls-key goes with --tls-cert"),
    ]
    config = study(tmp_path / "study")
    for options, expected in cases:
        said = shell.refuses("serve", config, "--out", tmp_path / "out", *options)
        assert expected in said, (options, said)
        assert len(said.splitlines()) == 1, said
    assert not (tmp_path / "out").exists()


def test_a_certificate_and_key_in_one_file_will_do(made: Certificates, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(made.key.read_bytes() + made.certificate.read_bytes())
    assert server_context(str(both), None)


# ---------------------------------------------------------------- the commands


@pytest.mark.slow
def test_the_commands_work_together(tmp_path: Path) -> None:
    out = tmp_path / "tls"
    said = run_process("certificate", "--out", out, "--host", "pi.lan", cwd=tmp_path)
    assert said.status == 0, said.err
    assert "pi.lan" in said.out
    assert f"--tls-cert {out}/server.crt --tls-key {out}/server.key" in said.out
    assert f"{out}/ca.crt" in said.out
    config = study(tmp_path, ("study:", "study:\n  simulations: [training]"))
    port = free_port()
    options = ["--port", str(port), "--out", str(tmp_path / "run"), "--play", "taker", "--play", "mixed"]
    tls = ["--tls-cert", out / "server.crt", "--tls-key", out / "server.key"]
    server = start_process("serve", config, *options, *tls, cwd=tmp_path)
    url = f"https://localhost:{port}"
    join = ["join", url, "--participant", "maker", "--config", config]
    try:
        assert server.stdout is not None
        assert f"at https://127.0.0.1:{port}" in server.stdout.readline()
        stranger = run_process(*join, cwd=tmp_path)
        assert stranger.status == 1
        assert "is not trusted" in stranger.err
        assert len(stranger.err.splitlines()) == 1
        friend = run_process(*join, "--ca-cert", out / "ca.crt", cwd=tmp_path)
        assert friend.status == 0, friend.err
        said_out, said_err = server.communicate(timeout=60)
        assert server.returncode == 0, said_out + said_err
    finally:
        server.kill()
        server.wait()


def test_without_the_extra_it_says_what_to_install(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.delitem(sys.modules, "trex_market.server.certificates")
    monkeypatch.setitem(sys.modules, "cryptography", None)
    said = shell.refuses("certificate", "--out", tmp_path / "tls")
    assert "pip install 'trex-market[tls]'" in said
