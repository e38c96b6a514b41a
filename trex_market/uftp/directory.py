"""Who takes part: domain, role, where messages go, and the key that proves them."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from trex_market.core.errors import InputError


class Role(StrEnum):
    """What somebody does."""

    AGR = "AGR"
    CRO = "CRO"
    DSO = "DSO"


class Party(msgspec.Struct, frozen=True):
    """Somebody in a role.

    Args:
        domain: names it.
        role: what it does.
        url: where its messages are sent.
        public_key: 32 bytes; with it its signatures are verified.
        barred: whether its messages are refused.
    """

    domain: str
    role: Role
    url: str
    public_key: bytes
    barred: bool = False

    def __str__(self) -> str:
        return f"{self.role} {self.domain}"


class Directory:
    """All that may be talked to.

    Args:
        parties: each domain and role once.

    Raises:
        InputError: if there is one twice.
    """

    def __init__(self, parties: Iterable[Party]) -> None:
        self._parties: dict[tuple[str, Role], Party] = {}
        for party in parties:
            if (party.domain, party.role) in self._parties:
                raise InputError(f"{party} is in the directory twice")
            self._parties[party.domain, party.role] = party

    def find(self, domain: str, role: Role) -> Party | None:
        """Return who has a domain in a role."""
        return self._parties.get((domain, role))

    def get(self, domain: str, role: Role) -> Party:
        """Return who has a domain in a role.

        Raises:
            InputError: if there is nobody.
        """
        party = self.find(domain, role)
        if party is None:
            known = ", ".join(sorted(str(party) for party in self._parties.values()))
            raise InputError(f"there is no {role} {domain}; there are: {known}")
        return party

    def of_domain(self, domain: str) -> list[Party]:
        """Return all roles of a domain."""
        return [party for (name, _), party in self._parties.items() if name == domain]

    def in_role(self, role: Role) -> list[Party]:
        """Return all in a role."""
        return [party for (_, found), party in self._parties.items() if found is role]
