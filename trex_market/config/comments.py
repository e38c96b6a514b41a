"""JSON with comments made plain: `//`, `/* */` and `#` become spaces, tabs outside of strings too.

Lines and columns stay where they were (but for escapes inside of a string), so
that what is said about the result holds for the file. Strings are left alone,
but for characters that JSON allows and YAML does not: they become escapes.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"""
      (?P<string>  "(?:[^"\\\n]|\\[^\n])*" )
    | (?P<comment> //[^\n]* | \#[^\n]* | /\*[\s\S]*?\*/ )
    | (?P<tab>     \t )
    | (?P<open>    " | /\* )
    """,
    re.VERBOSE,
)
_SURROGATES = re.compile(r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_NOT_NEWLINE = re.compile(r"[^\n]")


class UnclosedError(Exception):
    """A string or comment that does not end.

    Args:
        what: "string" or "comment".
        position: where it begins in the text.
    """

    def __init__(self, what: str, position: int) -> None:
        super().__init__(what)
        self.what = what
        self.position = position


def without_comments(text: str) -> str:
    """Blank the comments of JSON.

    Args:
        text: JSON with comments.

    Returns:
        the same without, every character that is left at its line and column.

    Raises:
        UnclosedError: if a string has no end on its line, or a comment none at all.
    """
    return _TOKEN.sub(_replaced, text)


def _replaced(match: re.Match[str]) -> str:
    found = match.group()
    if match["string"]:
        return _plain_string(found)
    if match["open"]:
        raise UnclosedError("string" if found == '"' else "comment", match.start())
    return _NOT_NEWLINE.sub(" ", found)


def _plain_string(text: str) -> str:
    text = _NOT_IN_YAML.sub(lambda match: f"\\u{ord(match.group()):04x}", text)
    if "\\u" not in text:
        return text
    # An escaped backslash before a `u` is not an escape of a character: take the string apart at those.
    return "\\\\".join(_SURROGATES.sub(_one_character, part) for part in text.split("\\\\"))


def _one_character(match: re.Match[str]) -> str:
    high, low = int(match[1], 16), int(match[2], 16)
    return f"\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08x}"
