"""Areas, homes and assets: by name, by UUID, and as the SDK's trees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal
from uuid import NAMESPACE_URL, uuid5

import msgspec

from trex_market.core.errors import InputError
from trex_market.core.messages import OpenMarket
from trex_market.gateway.translate import AssetKind

NodeKind = Literal["Area", "Load", "PV", "Storage", "InfiniteBus"]

BUS: NodeKind = "InfiniteBus"
"""What stands for the grid; nobody can trade for it."""


class HomeAssets(msgspec.Struct, frozen=True):
    """A participant as a home.

    Args:
        participant_id: whose.
        name: of its area.
        assets: kind -> name, of those that it has.
        registered: whether aggregators can trade for it here.
    """

    participant_id: str
    name: str
    assets: Mapping[AssetKind, str]
    registered: bool = True


class Node(msgspec.Struct, frozen=True):
    """An area, a home or an asset.

    Args:
        uuid: the same in each run.
        name: as people and agents call it.
        kind: area (homes are some, too) or kind of asset.
        parent: UUID; None for the root.
        participant_id: of the home that it is, or belongs to; None for others.
        area: the name that it has among the market's areas; None if it is none of them.
        registered: whether aggregators can trade for it.
    """

    uuid: str
    name: str
    kind: NodeKind
    parent: str | None
    participant_id: str | None = None
    area: str | None = None
    registered: bool = True

    @property
    def is_asset(self) -> bool:
        """Whether it is an asset of a home."""
        return self.kind in ("Load", "PV", "Storage")


class Tree:
    """All nodes; parents come before their children.

    Args:
        nodes: the nodes, the root first.

    Raises:
        InputError: if two have the same name: agents find them by it.
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = {node.uuid: node for node in nodes}
        self.root = nodes[0]
        twice = [name for name, count in Counter(node.name for node in nodes).items() if count > 1]
        if twice:
            raise InputError(
                f"areas, homes and assets need names of their own; there are two of {twice[0]!r}"
            )
        self.by_name = {node.name: node for node in nodes}
        self.children: dict[str, list[Node]] = {node.uuid: [] for node in nodes}
        for node in nodes[1:]:
            assert node.parent is not None
            self.children[node.parent].append(node)
        self.assets: dict[tuple[str, AssetKind], Node] = {}
        for node in nodes:
            if node.kind in ("Load", "PV", "Storage") and node.participant_id is not None:
                self.assets[node.participant_id, node.kind] = node
        self._homes = {
            node.uuid: frozenset(
                one.participant_id for one in self._below(node) if one.participant_id is not None
            )
            for node in nodes
        }

    def find(self, uuid: str) -> Node | None:
        """Return the node of a UUID."""
        return self.nodes.get(uuid)

    def homes_in(self, node: Node) -> frozenset[str]:
        """Return the ids of the participants in an area, or of the one whose asset it is."""
        return self._homes[node.uuid]

    def parent_of(self, node: Node) -> Node | None:
        """Return what a node is in."""
        return None if node.parent is None else self.nodes[node.parent]

    def _below(self, node: Node) -> Iterator[Node]:
        yield node
        for child in self.children[node.uuid]:
            yield from self._below(child)

    def registry(self, aggregators: Mapping[str, str], unregistered: frozenset[str]) -> dict[str, Any]:
        """Return the tree of names, types and UUIDs.

        Args:
            aggregators: UUID of an asset or area -> name of the aggregator that has it.
            unregistered: UUIDs of those that were taken out.
        """

        def shown(node: Node) -> dict[str, Any]:
            known: dict[str, Any] = {
                "name": node.name,
                "type": node.kind,
                "uuid": node.uuid,
                "attributes": None,
                "registered": True if node.registered and node.uuid not in unregistered else None,
                "aggregator_name": aggregators.get(node.uuid),
            }
            if node.kind == "Area":
                known["children"] = [shown(child) for child in self.children[node.uuid]]
            return known

        return shown(self.root)

    def scenario(self) -> dict[str, Any]:
        """Return the tree of names and UUIDs alone, as GraphQL has it."""

        def shown(node: Node) -> dict[str, Any]:
            known: dict[str, Any] = {"name": node.name, "uuid": node.uuid, "type": node.kind}
            if node.kind == "Area":
                known["children"] = [shown(child) for child in self.children[node.uuid]]
            return known

        return shown(self.root)


def build_tree(
    terms: OpenMarket,
    homes: Sequence[HomeAssets],
    simulation_id: str,
    root_name: str = "Grid",
    buses: Sequence[str] = (),
) -> Tree:
    """Put homes into the market's areas.

    A participant that is alone in an area without further areas is that area; any other home is an area of its
    own, without a fee, in the one where it is placed.

    Args:
        terms: the market's.
        homes: its participants.
        simulation_id: makes UUIDs the market's own.
        root_name: of the area that holds all, if the market has none.
        buses: names of what stands for the grid, in that area.

    Raises:
        InputError: if two have the same name.
    """
    nodes: list[Node] = []
    uuids: dict[str, str] = {}

    def add(name: str, kind: NodeKind, parent: str | None, **others: Any) -> Node:
        uuid = str(uuid5(NAMESPACE_URL, f"trex-market:{simulation_id}:{kind}:{name}"))
        node = Node(uuid, name, kind, parent, **others)
        nodes.append(node)
        return node

    alone = _alone(terms, homes)
    for area, parent in _areas(terms):
        owner = alone.get(area)
        above = None if parent is None else uuids[parent]
        uuids[area] = add(
            area,
            "Area",
            above,
            area=area,
            participant_id=None if owner is None else owner.participant_id,
        ).uuid
    top = nodes[0].uuid if nodes else add(root_name, "Area", None).uuid
    for bus in buses:
        add(bus, BUS, top, registered=False)
    within = {home.participant_id: area for area, home in alone.items()}
    for home in homes:
        if home.participant_id in within:
            place = uuids[within[home.participant_id]]
        else:
            area_of_home = terms.places.get(home.participant_id)
            above = top if area_of_home is None else uuids[area_of_home]
            place = add(home.name, "Area", above, participant_id=home.participant_id).uuid
        for kind, name in home.assets.items():
            add(
                name,
                kind,
                place,
                participant_id=home.participant_id,
                registered=home.registered,
            )
    return Tree(nodes)


def _areas(terms: OpenMarket) -> Iterator[tuple[str, str | None]]:
    """Yield each area and its parent, parents first."""
    below: dict[str | None, list[str]] = {}
    for area in terms.areas:
        below.setdefault(area.parent, []).append(area.name)
    waiting: list[tuple[str, str | None]] = [(name, None) for name in below.get(None, [])]
    while waiting:
        name, parent = waiting.pop(0)
        yield name, parent
        waiting += [(child, name) for child in below.get(name, [])]


def _alone(terms: OpenMarket, homes: Sequence[HomeAssets]) -> dict[str, HomeAssets]:
    """Return the areas that are homes."""
    parents = {area.parent for area in terms.areas}
    placed: dict[str, list[HomeAssets]] = {}
    for home in homes:
        area = terms.places.get(home.participant_id)
        if area is not None:
            placed.setdefault(area, []).append(home)
    return {area: inside[0] for area, inside in placed.items() if len(inside) == 1 and area not in parents}
