from __future__ import annotations

import contextlib
import json
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trex_market.config.comments import UnclosedError, without_comments
from trex_market.config.source import MAX_DEPTH, read_source
from trex_market.core.errors import ConfigError

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs",))),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=("Cs",)), max_size=30), inner, max_size=4)
    ),
    max_leaves=20,
)


def data(text: str, *, comments: bool = False) -> object:
    source = read_source(text, "x", comments=comments)
    assert not source.mistakes
    return source.data


@given(
    st.dictionaries(st.text(st.characters(exclude_categories=("Cs",)), max_size=30), json_values),
    st.booleans(),
)
@example({"a": "\x7f \x85 \u2028 \ufeff / \\u2028 \\ud83d\\ude00 \U0001f600"}, True)
@example({"a": "// no comment", "b": "/* nor */ this # one", "c": 'a "quoted" // text\\'}, False)
def test_all_json_is_read_as_json(value: dict[str, object], as_ascii: bool) -> None:
    assert data(json.dumps(value, ensure_ascii=as_ascii), comments=True) == value
    assert data(json.dumps(value, ensure_ascii=as_ascii, indent="\t"), comments=True) == value


@given(st.text())
@example('{"a": "')
@example("/*")
@example("a: &a [*a]")
@example("? - a\n: b")
@example("%YAML 3.0\n---\n")
def test_any_text_is_read_or_refused(text: str) -> None:
    for comments in (False, True):
        with contextlib.suppress(ConfigError):
            read_source(text, "x", comments=comments)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7e-5", 7e-5),
        ("1E5", 1e5),
        ("-.5", -0.5),
        ("3.", 3.0),
        ("+12", 12),
        ("0x1F", 31),
        ("0o17", 15),
        ("017", 17),
        ("1_000", "1_000"),
        ("yes", "yes"),
        ("off", "off"),
        ("n", "n"),
        ("0:0:0", "0:0:0"),
        ("12:30", "12:30"),
        ("2020-11-03", "2020-11-03"),
        ("2020-11-03 0:0:0", "2020-11-03 0:0:0"),
        ("'7'", "7"),
        ('"true"', "true"),
        ('""', ""),
        ("", None),
        ("~", None),
        ("null", None),
        ("True", True),
        ("false", False),
        ("tRUE", "tRUE"),
        ("NaN", "NaN"),
        ("|\n    7\n", "7\n"),
        ("http://here#there", "http://here#there"),
        ("<<", "<<"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    read = data(f"a: {text}")
    assert read == {"a": value}
    assert type(read["a"]) is type(value)  # type: ignore[index]


@pytest.mark.parametrize("text", [".inf", "-.Inf", ".nan", "1e999", "9" * 500])
def test_numbers_are_finite_and_of_a_sane_length(text: str) -> None:
    (mistake,) = read_source(f"b: 1\na: {text}", "x").mistakes
    assert (mistake.line, mistake.path) == (2, ("a",))


def test_keys_are_text_as_written() -> None:
    assert data("{5: a, 007: b, true: c, 1.50: d, null: e}") == {
        "5": "a",
        "007": "b",
        "true": "c",
        "1.50": "d",
        "null": "e",
    }


def test_comments_leave_lines_and_columns_alone() -> None:
    text = '{ // one\n\t"a": 1, /* two\n lines */ "b": [1,\t2,], # three\n"c": "/*//#\t",\n}'
    plain = without_comments(text)
    assert len(plain) == len(text)
    assert plain.count("\t") == 1  # the one inside of a string
    assert [len(line) for line in plain.split("\n")] == [len(line) for line in text.split("\n")]
    assert plain.index('"b"') == text.index('"b"')
    source = read_source(text, "x", comments=True)
    assert source.data == {"a": 1, "b": [1, 2], "c": "/*//#\t"}
    assert source.lines == {(): 1, ("a",): 2, ("b",): 3, ("b", 0): 3, ("b", 1): 3, ("c",): 4}


@pytest.mark.parametrize(
    ("text", "what"), [('{"a": "b\n}', "string"), ("{/* a", "comment"), ('{"a": "\\', "string")]
)
def test_a_string_or_comment_without_end_is_found_where_it_begins(text: str, what: str) -> None:
    with pytest.raises(UnclosedError) as caught:
        without_comments(text)
    assert caught.value.what == what
    with pytest.raises(ConfigError, match=rf"x:1:\d+: this {what} has no end"):
        read_source(text, "x", comments=True)


def test_lines_of_what_is_nested() -> None:
    source = read_source("a:\n  b:\n    - 1\n    - c: 2\n\n      d: &d\n        e: 3\nf: *d\n", "x")
    assert source.lines[("a", "b")] == 2
    assert source.lines[("a", "b", 1, "d")] == 6
    assert source.lines[("a", "b", 1, "d", "e")] == 7
    assert source.lines[("f",)] == 8
    assert source.data == {"a": {"b": [1, {"c": 2, "d": {"e": 3}}]}, "f": {"e": 3}}


def test_a_key_given_twice_names_both_lines() -> None:
    source = read_source("a: 1\nb:\n  home: 1\n  other: 2\n  home: 3\n", "x")
    (mistake,) = source.mistakes
    assert (mistake.line, mistake.path) == (5, ("b", "home"))
    assert mistake.message == "given twice, on line 3 and here"


def test_an_alias_bomb_is_refused_soon() -> None:
    layers = ["l0: &l0 [x, x, x, x, x, x, x, x, x, x]"]
    layers += [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 10)}]" for i in range(1, 12)]
    start = time.perf_counter()
    with pytest.raises(ConfigError, match="aliases"):
        read_source("\n".join(layers), "x")
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize("opening", ["[", '{"a":', "- ", "{"])
def test_depth_is_bounded(opening: str) -> None:
    with pytest.raises(ConfigError, match=f"x:1:\\d+: more than {MAX_DEPTH} mappings and lists"):
        read_source(opening * 100_000, "x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "x: the file is empty"),
        ("# only this\n", "x: the file is empty"),
        ("a: !!python/object:os.system x", "x:1:4: tags"),
        ("a: *b", "x:1:4: there is no anchor &b"),
        ("a: &a [*a]", "x:1:8: there is no anchor &a"),
        ("a: 1\n---\nb: 2", "x:2:1: a second document"),
        ("a: 1\n b: 2", "x:2:3: syntax error"),
        ("a: [1,\n2\nb: 3", "x:3:"),
        ("a: \x01", "x: not YAML"),
        ("a: \ud800", "x:1:4: half of a surrogate pair"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_source(text, "x")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
