"""What is kept of a config beside results: all but its secrets."""

from __future__ import annotations

import pytest

from tests.config.helpers import SMALL, config, only_mistake, small
from trex_market.config import dump_yaml

HASH = "a" * 64
OTHER = "b" * 64


def with_secrets(token: str, password: str) -> str:
    """Return a config that has a secret wherever there can be one."""
    text = small("    trader", f"    token_sha256: {token}\n    meter_token_sha256: {token}\n    trader")
    locations = (
        f'  output_db_location: "postgresql://me:{password}@h/x"\n'
        f'  profiles_db_location: "postgresql://h/x?password={password}"\n'
    )
    text = text.replace("study:\n", f"study:\n{locations}")
    return f"{text}server: {{operator_token_sha256: {token}, observer_token_sha256: {token}}}\n"


def test_secrets_are_not_kept_and_do_not_name_it() -> None:
    one, other = config(with_secrets(HASH, "s3cret")), config(with_secrets(OTHER, "different"))
    for kept in (str(one.recorded()), dump_yaml(one, secrets=False)):
        assert "s3cret" not in kept
        assert HASH not in kept
        assert "token_sha256" not in kept
        assert "postgresql://me@h/x" in kept
    assert one.hash == other.hash
    assert one.recorded() == other.recorded()
    assert HASH in dump_yaml(one), "what is shown to its owner is whole"
    assert one.resolved()["server"]["operator_token_sha256"] == HASH


@pytest.mark.parametrize(
    ("location", "kept"),
    [
        ("postgresql://me:pa/ss?w@h:5432/x", "postgresql://me@h:5432/x"),
        ("postgresql+asyncpg://me:pw@h/x?ssl=require", "postgresql+asyncpg://me@h/x?ssl=require"),
        ("postgresql://:pw@h/x", "postgresql://@h/x"),
        (
            "postgresql://h/x?user=me&PASSWORD=pw&sslpassword=p2&port=1",
            "postgresql://h/x?user=me&PASSWORD=&sslpassword=&port=1",
        ),
        ("postgresql://me@h/x", "postgresql://me@h/x"),
        ("sqlite:///C:/a@b.db", "sqlite:///C:/a@b.db"),
        ("profiles/a:b@c.csv", "profiles/a:b@c.csv"),
        ("packaged:semiurban", "packaged:semiurban"),
    ],
)
def test_a_location_loses_its_password_and_nothing_else(location: str, kept: str) -> None:
    assert config(SMALL, profiles_db_location=location).recorded()["study"]["profiles_db_location"] == kept


@pytest.mark.parametrize(
    "origin", ["https://example.org", "http://192.0.2.7:8080", "https://example.org/", "*"]
)
def test_origins(origin: str) -> None:
    assert config(f'{SMALL}server: {{allowed_origins: ["{origin}"]}}\n').server.allowed_origins == (origin,)


@pytest.mark.parametrize(
    "origin",
    [
        "example.org",
        "https://",
        "https://example.org/x",
        "https://me@example.org",
        "ftp://x",
        "null",
        "",
        "http://a b",
    ],
)
def test_what_is_no_origin(origin: str) -> None:
    mistake = only_mistake(f'{SMALL}server: {{allowed_origins: ["{origin}"]}}\n')
    assert "must be an origin such as 'https://example.org'" in mistake
