"""The command line's groups of commands; each module beside this one fills some of them."""

from __future__ import annotations

from typing import Annotated

import typer

from trex_market import __version__

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A futures market for a neighbourhood's electricity.",
)

journal_app = typer.Typer(no_args_is_help=True, help="Check and share a live market's journal.")
app.add_typer(journal_app, name="journal")
database_app = typer.Typer(no_args_is_help=True, help="Look at a database's schema, and upgrade it.")
app.add_typer(database_app, name="database")
profiles_app = typer.Typer(no_args_is_help=True, help="Look at load and generation data, and import them.")
app.add_typer(profiles_app, name="profiles")
uftp_app = typer.Typer(
    no_args_is_help=True,
    help="Trade flexibility over UFTP: DSO, aggregators and CRO of a config as processes of their own.",
)
app.add_typer(uftp_app, name="uftp")
openadr_app = typer.Typer(
    no_args_is_help=True, help="Show a market's demand response events over OpenADR 2.0b."
)
app.add_typer(openadr_app, name="openadr")


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer's callback
    if wanted:
        typer.echo(f"trex-market {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """A futures market for a neighbourhood's electricity."""
