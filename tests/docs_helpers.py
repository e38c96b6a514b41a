"""The documents, for tests: their pages, fenced blocks and names, and what makes their generated parts."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import msgspec

from tests.shell_helpers import REPOSITORY

README = REPOSITORY / "README.md"
PAGES = [README, REPOSITORY / "CHANGELOG.md", *sorted((REPOSITORY / "docs").glob("*.md"))]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


class Block(msgspec.Struct, frozen=True):
    """A fenced block."""

    page: str
    language: str
    text: str


def blocks(language: str, *pages: Path) -> list[Block]:
    """Return the blocks of a language, of all pages unless some are named."""
    return [
        Block(page.name, language, match[2])
        for page in pages or PAGES
        for match in _FENCE.finditer(page.read_text(encoding="utf-8"))
        if match[1] == language
    ]


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def spans(page: Path) -> list[str]:
    """Return what stands between backquotes in a page's prose."""
    return re.findall(r"`([^`\n]+)`", prose(page))


def docs_script() -> ModuleType:
    """Return `scripts/docs.py` as a module."""
    spec = importlib.util.spec_from_file_location("docs_script", REPOSITORY / "scripts" / "docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
