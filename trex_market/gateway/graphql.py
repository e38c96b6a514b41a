"""The three questions that the SDK's helpers ask in GraphQL; there is no engine for others."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from json import dumps
from typing import Any

from trex_market.gateway.registrations import Registrations
from trex_market.gateway.tree import Tree

ROOT = re.compile(r"\A[^{]*\{\s*(\w+)\s*(?:\(([^)]*)\))?")
"""A query's root field and its arguments."""

UUID = re.compile(r'uuid\s*:\s*"([^"]*)"')


class GraphQL:
    """Answers queries.

    Args:
        tree: areas and assets.
        registrations: who has what.
        simulation_id: the market's.
    """

    def __init__(self, tree: Tree, registrations: Registrations, simulation_id: str) -> None:
        self._tree = tree
        self._registrations = registrations
        self._simulation_id = simulation_id
        self._fields: dict[str, Callable[[str, str], Any]] = {
            "readConfiguration": self._configuration,
            "aggregatorsList": self._aggregators,
            "listCanaryNetworks": self._networks,
            "listScmCommunities": lambda _arguments, _user: {"configurations": []},
        }

    def answer(self, body: Mapping[str, Any], user: str) -> dict[str, Any]:
        """Answer a query.

        Args:
            body: with `query`.
            user: who asks.
        """
        query = body.get("query")
        found = ROOT.search(query) if isinstance(query, str) else None
        field = self._fields.get(found[1]) if found else None
        if found is None or field is None:
            return _errors(f"there are: {', '.join(self._fields)}")
        value = field(found[2] or "", user)
        if value is None:
            return _errors(f"there is no configuration but {self._simulation_id}")
        return {"data": {found[1]: value}}

    def _configuration(self, arguments: str, _user: str) -> dict[str, Any] | None:
        named = UUID.search(arguments)
        if named is None or named[1] != self._simulation_id:
            return None
        serialized = dumps(self._tree.scenario())
        return {"uuid": self._simulation_id, "scenarioData": {"latest": {"serialized": serialized}}}

    def _aggregators(self, _arguments: str, user: str) -> list[dict[str, Any]]:
        return [
            {
                "configUuid": self._simulation_id,
                "uuid": one.uuid,
                "name": one.name,
                "devicesList": [{"deviceUuid": device} for device in one.devices],
            }
            for one in self._registrations.of_user(user)
        ]

    def _networks(self, _arguments: str, _user: str) -> dict[str, Any]:
        network = {
            "uuid": self._simulation_id,
            "resultsStatus": "running",
            "type": "CANARY_NETWORK",
            "scenarioData": {"forecastStreamAreaMapping": {}},
            "settingsData": {"spotMarketType": "TWO_SIDED"},
        }
        return {"configurations": [network]}


def _errors(detail: str) -> dict[str, Any]:
    """Return an answer with an error; agents read its message as a Python literal."""
    return {"data": None, "errors": [{"message": repr({"message": detail})}]}
