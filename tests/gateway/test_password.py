"""`trex-market token NAME --gateway`: a user's password."""

from __future__ import annotations

import pytest

from trex_market.core.errors import InputError
from trex_market.gatewaying import PASSWORD_VARIABLE
from trex_market.server.doorkeeper import token_hash
from trex_market.serving import new_token


def test_a_password_is_drawn_for_a_user() -> None:
    made = new_token("alice", gateway=True)
    assert made.hash == token_hash(made.token)
    assert made.key == "gateway.gsy.users.alice.password_sha256"
    assert made.variable == PASSWORD_VARIABLE + "alice"
    with pytest.raises(InputError, match="--gateway"):
        new_token("alice", meter=True, gateway=True)
