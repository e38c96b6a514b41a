"""A PostgreSQL server that is reached by TLS: what `sslmode` asks for is what happens."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from trex_market.core.errors import StorageError
from trex_market.server.certificates import Certificates, make_certificates
from trex_market.storage.database import Database

from .postgres import PostgresServer

pytestmark = pytest.mark.slow

SSL_REQUEST = bytes.fromhex("0000000804d2162f")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"))


class Gateway:
    """Stands before a server that listens on a socket file alone, as a pooler does, and speaks TLS if it can."""

    def __init__(self, server: PostgresServer, context: ssl.SSLContext | None) -> None:
        self._socket = f"{server.get_postmaster_info().socket_dir}/.s.PGSQL.5432"
        self._context = context
        self.encrypted: list[bool] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection."""
        first = await reader.readexactly(8)
        encrypted = first == SSL_REQUEST
        if encrypted:
            writer.write(b"S" if self._context else b"N")
            await writer.drain()
            if self._context is None:
                first = await reader.read(8)
                encrypted = False
            else:
                try:
                    await writer.start_tls(self._context)
                except (ssl.SSLError, ConnectionError):  # it does not trust us
                    writer.close()
                    return
                first = b""
        self.encrypted.append(encrypted)
        inner, outer = await asyncio.open_unix_connection(self._socket)
        outer.write(first)
        await asyncio.gather(_carry(reader, outer), _carry(inner, writer))


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def gateway(server: PostgresServer, made: Certificates | None) -> AsyncIterator[tuple[Gateway, int]]:
    """A gateway, and its port."""
    context = None
    if made is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(made.certificate, made.key)
    gate = Gateway(server, context)
    listening = await asyncio.start_server(gate.serve, "127.0.0.1", 0)
    async with listening:
        yield gate, listening.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    ("mode", "encrypted"),
    [("disable", False), ("prefer", True), ("require", True), ("verify-ca", True), ("verify-full", True)],
)
async def test_a_connection_is_as_safe_as_asked_for(
    server: PostgresServer, postgres: str, made: Certificates, mode: str, encrypted: bool
) -> None:
    name = urlsplit(postgres).path
    trusted = f"&sslrootcert={made.authority}" if mode.startswith("verify") else ""
    async with gateway(server, made) as (gate, port):
        url = f"postgresql://postgres@127.0.0.1:{port}{name}?sslmode={mode}{trusted}"
        async with await Database.open(url) as database:
            assert not await database.resume_run("nobody")
    assert set(gate.encrypted) == {encrypted}


async def test_a_server_that_is_not_trusted_is_named(
    server: PostgresServer, postgres: str, made: Certificates, tmp_path: Path
) -> None:
    stranger = make_certificates(tmp_path / "stranger").authority
    async with gateway(server, made) as (gate, port):
        address = f"127.0.0.1:{port}{urlsplit(postgres).path}"
        url = f"postgresql://postgres:secret@{address}?sslmode=verify-full&sslrootcert={stranger}"
        with pytest.raises(StorageError, match=f"{address} cannot be trusted: .*sslrootcert") as caught:
            await Database.open(url)
    assert gate.encrypted == []
    assert "secret" not in str(caught.value)


async def test_a_server_without_tls_is_not_used_where_it_is_required(
    server: PostgresServer, postgres: str, made: Certificates
) -> None:
    async with gateway(server, None) as (gate, port):
        address = f"postgresql://postgres@127.0.0.1:{port}{urlsplit(postgres).path}"
        with pytest.raises(StorageError, match="rejected SSL upgrade"):
            await Database.open(f"{address}?sslmode=require")
        async with await Database.open(address):
            pass
    assert True not in gate.encrypted
