"""The documents say what the code says, and what they name is there."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import msgspec
import pytest
import typer

from tests.docs_helpers import PAGES, README, blocks, docs_script, prose, spans
from tests.helpers import terms
from tests.shell_helpers import REPOSITORY
from trex_market.benchmarks import BENCHMARKS
from trex_market.cli import app
from trex_market.config import Config
from trex_market.core.clearing import RULES
from trex_market.core.errors import RefusalCode
from trex_market.protocol import dr_wire, schema, view, wire
from trex_market.server.app import ServerSettings, SimulationServer
from trex_market.server.sockets import MAX_MESSAGE_BYTES

DOCS = REPOSITORY / "docs"
QUICK = [DOCS / "analysis.md", DOCS / "learning.md", DOCS / "protocol.md", DOCS / "rules.md"]
MEASURED = DOCS / "validation.md"
"""Made in some seconds."""
NAMES = [page.name for page in PAGES]


# ---------------------------------------------------------------- what is made from the code

AUDIT = "trex_market.audit"
"""The name of a logger."""


@pytest.mark.parametrize("page", QUICK, ids=lambda page: page.name)
def test_a_page_is_what_the_code_says(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == docs_script().pages()[page](), "run scripts/docs"


@pytest.mark.slow
def test_the_numbers_of_the_literature_are_those_that_were_measured() -> None:
    assert MEASURED.read_text(encoding="utf-8") == docs_script().pages()[MEASURED](), "run scripts/docs"


@pytest.mark.slow
def test_the_readme_shows_what_the_demo_shows() -> None:
    assert README.read_text(encoding="utf-8") == docs_script().pages()[README](), "run scripts/docs"


def test_every_page_that_is_made_is_checked() -> None:
    assert set(docs_script().pages()) == {README, MEASURED, *QUICK}


def test_the_example_balances() -> None:
    script = docs_script()
    (sums,) = re.findall(r"\| party \| money, \$ \|\n.*?\Z", script.example(), re.DOTALL)
    amounts = [float(line.split("|")[2]) for line in sums.splitlines()[2:]]
    assert len(amounts) == 6
    assert sum(round(amount * 100_000) for amount in amounts) == 0


# ---------------------------------------------------------------- the protocol


def test_every_message_has_a_schema() -> None:
    messages = {
        name
        for name, kind in (vars(wire) | vars(view)).items()
        if isinstance(kind, type) and issubclass(kind, wire.Message) and kind is not wire.Message
    }
    messages |= {
        *("DrAnswer", "DevicePower", "DeviceSample"),
        *("DrOverview", "DrEventState", "DrDevice", "DrNews", "DrProgress", "DrDeviceProgress", "DrSilence"),
    }
    (block,) = blocks("json", DOCS / "protocol.md")
    definitions = json.loads(block.text)["$defs"]
    assert set(definitions) - {RefusalCode.__name__} == messages
    for name in messages:
        kind: type[msgspec.Struct] = (vars(dr_wire) | vars(view) | vars(wire))[name]
        assert list(definitions[name]["properties"]) == list(kind.__struct_encode_fields__)
        assert definitions[name]["description"]


def test_requests_and_codes_are_those_that_there_are() -> None:
    sockets = SimulationServer(terms(), [], ServerSettings())._sockets
    assert {"register", "status", *sockets.controls} == set(schema.CONTROLS)
    assert {"join", *sockets._desk._handlers} == set(wire.ANSWERS)
    assert set(schema.CODES) == set(RefusalCode)
    assert MAX_MESSAGE_BYTES == 1_000_000


def test_the_schema_of_a_message_fits_what_is_sent() -> None:
    (block,) = blocks("json", DOCS / "protocol.md")
    order = json.loads(block.text)["$defs"]["SidedOrder"]
    assert order["required"] == ["quantity", "price", "time_delivery", "side"]
    assert order["properties"]["quantity"] == {"type": "integer", "description": "Wh"}
    assert order["properties"]["source"]["description"].startswith("where the energy comes from")


# ---------------------------------------------------------------- what is named


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", prose(target), re.MULTILINE)
            assert anchor in map(_anchor, headings), link


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_files_that_are_named_exist(page: Path) -> None:
    tops = {path.name for path in REPOSITORY.iterdir() if path.is_dir()}
    for span in spans(page):
        if re.fullmatch(r"[\w.-]+(/[\w.-]+)+", span) and span.split("/")[0] in tops - {".venv", "runs"}:
            assert (REPOSITORY / span).exists(), span


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_modules_that_are_named_exist(page: Path) -> None:
    for span in spans(page):
        if re.fullmatch(r"(trex_market|participants)(\.\w+)+", span) and span != AUDIT:
            importlib.import_module(span)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_config_keys_that_are_named_exist(page: Path) -> None:
    for span in spans(page):
        match = re.fullmatch(r"(study|server|market|training)\.(\w+)(: \w+)?", span)
        if match and match[2] != "db":  # market.db is a file
            section = Config.model_fields[match[1]].annotation
            assert match[2] in vars(section)["__pydantic_fields__"], span


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_and_options_that_are_named_exist(page: Path) -> None:
    group = typer.main.get_command(app)
    commands = vars(group)["commands"]
    options = {
        name
        for command in commands.values()
        for leaf in vars(command).get("commands", {"": command}).values()
        for parameter in leaf.params
        for name in [*parameter.opts, *parameter.secondary_opts]
    }
    text = "\n".join([*spans(page), *(block.text for block in blocks("sh", page) + blocks("bash", page))])
    for command in re.findall(r"^\s*trex-market (\w+)", text, re.MULTILINE):
        assert command in commands, command
    for line in text.splitlines():
        if line.strip().startswith(("trex-market ", "--")):
            for option in re.findall(r"(?<!\S)--[\w-]+", line):
                assert option in options | {"--check"}, option


def test_all_commands_are_in_the_changelog() -> None:
    commands = set(vars(typer.main.get_command(app))["commands"])
    assert commands <= set(spans(REPOSITORY / "CHANGELOG.md"))


def _first_column(page: Path, heading: str) -> list[str]:
    table = prose(page).split(heading, maxsplit=1)[1].split("\n\n", maxsplit=1)[0]
    return re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)


def test_the_rules_are_those_that_there_are() -> None:
    page = DOCS / "rules.md"
    heading = "| `market.type` | pools | who meets | price |"
    assert _first_column(page, heading) == list(RULES)
    for name, kind in RULES.items():
        assert f"| `{name}` | {kind.pools} |" in page.read_text(encoding="utf-8")


def test_the_benchmarks_are_those_that_there_are() -> None:
    assert _first_column(DOCS / "performance.md", "| name | what | beside |") == list(BENCHMARKS)


def test_the_folders_are_those_that_there_are() -> None:
    heading = "| folder | what |"
    named = re.findall(r"^\| `([\w/]+)` \|", prose(README).split(heading)[1], re.MULTILINE)
    inside = {
        f"trex_market/{path.name}"
        for path in (REPOSITORY / "trex_market").iterdir()
        if path.is_dir() and path.name != "__pycache__"
    }
    assert {name for name in named if "/" in name} == inside


def test_the_pages_name_nothing_of_ours_alone() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"(?<![\w.])/(home|tmp|work|usr)/", text), page
        assert not re.search(r"\bissues?\b|\bsession\b", text), page
