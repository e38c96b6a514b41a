"""Users of the gateway: passwords, and the tokens (JWT) that they are given for them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from trex_market.core.errors import MissingExtraError, ProtocolError, RefusalCode

ALGORITHM = "HS256"

LEEWAY_S = 5
"""Clocks of machines differ."""


class User(msgspec.Struct, frozen=True):
    """Somebody who has aggregators.

    Args:
        areas: names of the areas, homes and assets that may be selected, with all that is in them; None for all.
    """

    areas: frozenset[str] | None = None


class Users:
    """Gives tokens, and checks them.

    Args:
        check_password: of a user, from an address; raises `ProtocolError` if it is wrong.
        users: name -> what it may do; those who are not named may do all, if their password is right.
        secret: signs tokens.
        lifetime_s: of a token, in seconds.
        clock: tells the time, UNIX seconds.

    Raises:
        MissingExtraError: without PyJWT.
    """

    def __init__(
        self,
        check_password: Callable[[str, str, str], None],
        users: Mapping[str, User],
        secret: str,
        lifetime_s: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        try:
            import jwt  # noqa: PLC0415 - optional
        except ImportError as error:
            raise MissingExtraError("the gateway for gsy-e-sdk", "gateway") from error
        self._jwt = jwt
        self._check_password = check_password
        self._users = users
        self._secret = secret
        self._lifetime = lifetime_s
        self._clock = clock

    def check(self, username: object, password: object, address: str) -> str:
        """Check a password, and return the user's name.

        Raises:
            ProtocolError: unauthorised, rate_limited.
        """
        if not isinstance(username, str) or not isinstance(password, str) or not username:
            raise ProtocolError(RefusalCode.UNAUTHORISED, "username and password are needed")
        self._check_password(username, password, address)
        return username

    def token(self, username: object, password: object, address: str) -> str:
        """Give a token for a password.

        Raises:
            ProtocolError: unauthorised, rate_limited.
        """
        name = self.check(username, password, address)
        now = int(self._clock())
        claims = {"sub": name, "iat": now, "exp": now + self._lifetime}
        return self._jwt.encode(claims, self._secret, algorithm=ALGORITHM)

    def user_of(self, authorization: str) -> str:
        """Return whose token it is that a header shows: "JWT ...".

        Raises:
            ProtocolError: unauthorised, if it is none, or has expired.
        """
        kind, _, token = authorization.partition(" ")
        if kind.lower() not in ("jwt", "bearer") or not token.strip():
            raise ProtocolError(RefusalCode.UNAUTHORISED, "a token is needed: Authorization: JWT TOKEN")
        options: Any = {"require": ["exp", "sub"], "verify_exp": False, "verify_iat": False}
        try:
            claims = self._jwt.decode(token.strip(), self._secret, algorithms=[ALGORITHM], options=options)
        except self._jwt.PyJWTError:
            raise ProtocolError(RefusalCode.UNAUTHORISED, "this is no token of this server") from None
        if not isinstance(claims["exp"], int) or claims["exp"] + LEEWAY_S < self._clock():
            raise ProtocolError(RefusalCode.UNAUTHORISED, "the token has expired; ask for another one")
        return str(claims["sub"])

    def areas_of(self, name: str) -> frozenset[str] | None:
        """Return the names of what a user may select, with all that is in it; None for all."""
        user = self._users.get(name)
        return None if user is None else user.areas
