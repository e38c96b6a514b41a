"""Commands for OpenADR: `openadr vtn`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trex_market.cli.apps import openadr_app
from trex_market.cli.options import LogLevel
from trex_market.cli.running import stoppable
from trex_market.core.errors import InputError


@openadr_app.callback()
def _group() -> None:
    """Keep `vtn` a command of a group, of which it is the only one."""


@openadr_app.command("vtn")
def openadr_vtn(
    url: Annotated[str, typer.Argument(help="The market's, e.g. http://127.0.0.1:3100.")],
    token: Annotated[
        str | None,
        typer.Option("--token", envvar="TREX_MARKET_TOKEN", help="The market's operator's."),
    ] = None,
    ca_cert: Annotated[
        Path | None,
        typer.Option(
            "--ca-cert",
            metavar="FILE",
            envvar="TREX_MARKET_CA",
            help="For the market, trust this authority alone.",
        ),
    ] = None,
    host: Annotated[str, typer.Option("--host", help="Where VENs come to.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 for any that is free.")] = 8080,
    vtn_id: Annotated[str, typer.Option("--vtn-id", metavar="ID", help="In capitals.")] = "TREX",
    ven: Annotated[
        list[str] | None,
        typer.Option(
            "--ven",
            metavar="ID[=FINGERPRINT]",
            help="A participant that may come as a VEN, and its certificate; may be repeated. All, if left out.",
        ),
    ] = None,
    poll: Annotated[
        float, typer.Option("--poll", metavar="SECONDS", min=1.0, help="VENs are told to ask so often.")
    ] = 10.0,
    tls_cert: Annotated[Path | None, typer.Option("--tls-cert", help="Certificate; then HTTPS.")] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="Its key.")] = None,
    tls_ca: Annotated[
        Path | None, typer.Option("--tls-ca", help="The authority that signs the VENs' certificates.")
    ] = None,
    log_level: Annotated[LogLevel, typer.Option("--log-level")] = LogLevel.WARNING,
) -> None:
    """Show a market's demand response events to VENs, and give their answers back; the market runs elsewhere."""
    import asyncio

    from trex_market import logs
    from trex_market.openadr.market import MarketEvents
    from trex_market.openadr.node import NodeSettings, check_settings
    from trex_market.openadr.serving import serve_node, vens_of
    from trex_market.openadr.tls import mutual_context, trusting

    logs.configure(log_level, "text")
    given = (tls_cert, tls_key, tls_ca)
    if any(given) and not all(given):
        raise InputError("--tls-cert, --tls-key and --tls-ca go together")
    if vtn_id.islower():
        raise InputError(f"--vtn-id: OpenADR wants capitals, found {vtn_id!r}")
    tls = mutual_context(tls_cert, tls_key, tls_ca) if tls_cert and tls_key and tls_ca else None
    settings = NodeSettings(vtn_id, host, port, poll, vens_of(ven or []), tls)
    check_settings(settings)
    # What is told is at most half as old as what VENs ask for.
    market = MarketEvents(url, token, poll / 2, trusting(ca_cert))
    stopped = asyncio.Event()
    stoppable(serve_node(market, settings, typer.echo, stopped), stopped.set)
