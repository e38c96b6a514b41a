"""What drivers raise, and whether it may be over when it is tried again."""

from __future__ import annotations

import asyncpg
import pytest

from trex_market.core.errors import StorageError
from trex_market.storage.outages import OutageError, storage_errors


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError("reset by peer"),
        TimeoutError(),
        asyncpg.InterfaceError("the underlying connection is closed"),
        asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress"),
        asyncpg.TooManyConnectionsError("too many"),
    ],
)
def test_what_may_be_over_is_an_outage(error: Exception) -> None:
    with pytest.raises(OutageError, match="the database here cannot be used at the moment"):
        with storage_errors("here"):
            raise error


def test_a_mistake_is_none() -> None:
    with pytest.raises(StorageError, match="the database here refused: no such column") as raised:
        with storage_errors("here"):
            raise asyncpg.UndefinedColumnError("no such column")
    assert not isinstance(raised.value, OutageError)
