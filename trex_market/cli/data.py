"""Commands for what is on disk: `journal`, `database`, `profiles`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trex_market.cli.apps import database_app, journal_app, profiles_app
from trex_market.cli.options import (
    Filling,
)
from trex_market.cli.running import complete


@journal_app.command("verify")
def journal_verify(
    journal: Annotated[Path, typer.Argument(help="A journal or scenario.")],
) -> None:
    """Check that every line is a command, and that none is missing or changed."""
    from trex_market.journal import verify

    typer.echo(f"{journal}: fine: {verify(journal):,} lines")


@journal_app.command("export")
def journal_export(
    journal: Annotated[Path, typer.Argument(help="A journal.")],
    scenario: Annotated[Path, typer.Argument(help="The scenario file to write.")],
) -> None:
    """Write a journal as a plain scenario, to be replayed and shared."""
    from trex_market.journal import export

    typer.echo(f"{scenario}: {export(journal, scenario):,} lines")


@database_app.command("info")
def database_info(
    url: Annotated[str, typer.Argument(help="sqlite:///PATH, postgresql://... or parquet:///FOLDER")],
) -> None:
    """Tell a database's schema version; nothing is changed."""
    from trex_market.storage.address import parse_address
    from trex_market.storage.database import Database

    schema = complete(Database.examine(url))
    typer.echo(f"{parse_address(url).name} {schema}")


@database_app.command("upgrade")
def database_upgrade(
    url: Annotated[str, typer.Argument(help="sqlite:///PATH, postgresql://... or parquet:///FOLDER")],
) -> None:
    """Bring a database to the newest schema version; older releases cannot use it any more then."""
    from trex_market.storage.database import Database

    async def upgrade() -> str:
        async with await Database.open(url, upgrade=True) as database:
            return database.name

    name = complete(upgrade())
    typer.echo(f"{name} {complete(Database.examine(url))}")


ProfilesArgument = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="A file, a database, packaged:NAME, simbench:CODE or citylearn:FOLDER; see docs/profiles.md.",
    ),
]


@profiles_app.command("show")
def profiles_show(
    source: ProfilesArgument,
    participant: Annotated[
        str | None, typer.Option("--participant", metavar="ID", help="This one alone, month by month.")
    ] = None,
) -> None:
    """Show what is in there: participants, sources, range, step, sums and gaps."""
    from trex_market.profiling import participant_tables, source_tables
    from trex_market.terminal import TerminalDisplay

    shown = source_tables(source) if participant is None else participant_tables(source, participant)
    TerminalDisplay().tables(shown)


@profiles_app.command("import")
def profiles_import(
    source: ProfilesArgument,
    out: Annotated[
        Path, typer.Option("--out", metavar="PLACE", help="A folder, or a file: .csv, .csv.gz or .parquet.")
    ],
    participant: Annotated[
        list[str] | None, typer.Option("--participant", metavar="ID", help="Not all; may be repeated.")
    ] = None,
    step: Annotated[
        int | None, typer.Option("--step", metavar="SECONDS", help="Length of a slot, instead of the data's.")
    ] = None,
    fill: Annotated[
        Filling | None,
        typer.Option("--fill", help="What stands in for missing slots; without it they are an error."),
    ] = None,
) -> None:
    """Write data as files of this project: whole Wh, what is charged, and a config's participants with batteries."""
    from trex_market.profiling import import_from

    for line in import_from(source, out, participant or [], step, None if fill is None else fill.value):
        typer.echo(line)
