"""The protocol's page, `docs/protocol.md`, made from the messages themselves; `scripts/docs` writes it."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

import msgspec

from trex_market.core.errors import RefusalCode
from trex_market.protocol import dr_wire, view, wire

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_DECIMAL = {"type": "string", "format": "decimal"}
"""How msgspec describes a decimal number, which it writes as text and reads as a number, too."""

CONTROLS = ("register", "status", "pause", "resume", "step", "stop")
"""Requests on /simulation; the answer to each is a `Status`."""

CODES: dict[RefusalCode, str] = {
    RefusalCode.MALFORMED: "A field is missing or of the wrong type, the event is unknown, or the version is another.",
    RefusalCode.UNAUTHORISED: "Not joined, a wrong token, another's id (or one that there is not, where tokens are asked for), or an id that is connected already.",
    RefusalCode.UNKNOWN_PARTICIPANT: "The market has no participant of this id.",
    RefusalCode.BAD_QUANTITY: "Not a whole number of Wh, or out of range; in an order above 0; more than can flow through a register.",
    RefusalCode.BAD_PRICE: "Not a finite number, or not between the market's floor and cap.",
    RefusalCode.UNKNOWN_SOURCE: "The market has no source of this name.",
    RefusalCode.BAD_SLOT: "Not a whole slot at a multiple of the step; in a reading, not the current slot, or, on the wall clock, one that is not over or cannot be changed any more.",
    RefusalCode.GATE_CLOSED: "The slot was cleared already.",
    RefusalCode.BEYOND_HORIZON: "The slot is further ahead than the market takes orders for.",
    RefusalCode.UNKNOWN_ORDER: "The participant has no open order of this id.",
    RefusalCode.RATE_LIMITED: "Too many requests in this round or, on the wall clock, at once; too many open orders, wrong tokens or connections.",
    RefusalCode.BAD_REQUIREMENT: "What an order says of itself or requires of others cannot be, or the market's rule takes no requirements.",
    RefusalCode.UNKNOWN_AREA: "The market has no area of this name.",
    RefusalCode.UNKNOWN_DEVICE: "Demand response has no device of this id, or did not invite it.",
    RefusalCode.UNKNOWN_EVENT: "Demand response has no event of this id.",
    RefusalCode.OVERLAPPING_EVENT: "A device is invited to another event at the same time.",
    RefusalCode.DEADLINE_PASSED: "The event takes no more answers.",
    RefusalCode.BAD_TIME: "An event in the past, too long or too short; a sample that is older than the last one, or of a time to come.",
    RefusalCode.BAD_LOAD: "A power, an energy or a share that cannot be, or none where there must be one.",
    RefusalCode.WRONG_PHASE: "No episode or no round is running, or the server is stopping.",
}
"""Code -> when it is given."""

INTRODUCTION = f"""\
# The protocol, version {wire.VERSION}

Made from `trex_market/protocol/wire.py` by `scripts/docs`; do not edit it by hand.

Participants and operators speak Socket.IO (protocol 5) with the market's server, one argument to each event. Energy is whole Wh, prices
are $/kWh, times are UNIX seconds, a slot is `[start, end]`. Unknown keys are passed over.

A participant connects to the namespace `/market` and sends `join`. In each episode it gets `start_episode`, then in each round
`start_round`, which it answers with `turn`: orders, cancellations, the meter reading of the current slot and the end of its turn in one.
(`bid`, `ask`, `orders`, `cancel`, `replace`, `meter_data` and `end_turn` do the same one by one.) A round ends when all turns have ended; those who
stay silent for `server.turn_timeout_s` are waited for, skipped, or end the simulation, as `server.silence` says. Then come `end_episode` and, at last, `end_simulation`.

Every request is acknowledged, with the answer named below or with a refusal: `{{"ok": false, "code": ..., "detail": ...}}`. What is refused
changes nothing. Events that carry a number (`event`) are kept for a while: whoever lost its connection joins again with `last_event`, and finds
what it missed in the answer.

Whoever joins with `"encoding": "msgpack"` gets the data of all events and answers as MessagePack, in bytes, and may send bytes itself; the
messages are the same. A message may have 1 MB.

On `/simulation` an operator sends `register` first, with its token; with an observer's token it gets every `status`, and its controls are `unauthorised`.
A server that stops says so by a `notice` with the code `stopping`. On the wall clock a client then connects again until the server is back, and goes on from
`last_event`; in a simulation `end_simulation` follows.

A connection that has not joined within a minute is ended. Whoever shows a wrong token again and again has to wait (`rate_limited`), twice as long after each
further one. Pages of other origins than the server's own are refused, unless `server.allowed_origins` names them. The default namespace `/` speaks TREX-Core 3.7.5's participant protocol instead, with the same rules;
see `trex_market/server/trex.py`.
"""


METERS = """\
A market on the wall clock takes reports of meters over HTTP: `POST /meter`, JSON of at most 64 KB, with the header `Authorization: Bearer TOKEN`, the token being
the meter's own or its participant's. Over MQTT (`server.mqtt`) the same JSON goes to the topic `trex/MARKET/PARTICIPANT/meter`, which says whose it is, and
the answer comes as `trex/MARKET/PARTICIPANT/meter/answer`. There the broker says who may write to which topic, and no token is sent.

A report is a `PostedRegisters` if it has `registers`, else a `PostedMeter`. It is acknowledged when it is safe on disk. One that comes twice changes nothing, and whoever got no answer
sends it again: registers that were taken are acknowledged once more, and so is a slot's reading until the slot is delivered (then it is `bad_slot`).
Over HTTP the status says what kind of answer it is: 200 taken; 400 refused for what it says; 401 `unauthorised`; 403 sent by a page of another origin; 404 `unknown_participant`;
409 `wrong_phase`; 413 too large; 429 `rate_limited`.

What a counter shows at a slot's edge is interpolated between the two readings around it, and floored to whole Wh, if they are at most one and a half steps apart; slots
in a longer gap, or in which a counter was reset, have no reading, and `troubles` says so."""


DEMAND_RESPONSE = """\
In a market with a section `demand_response` in its config, on `/market`; see [demand response](demand_response.md). Power is in kW, but for
`power_w`; energy in kWh. An event's name says what happened, its data how all the participant's devices stand; of its own answers a participant is not told."""


ROUTES = """\
## HTTP, for people and monitoring

The same port serves a dashboard and what it shows. A token goes into the header `Authorization: Bearer TOKEN`, never into the address; an operator's token
is good for an observer's, too. In an open market without an operator's and an observer's token everybody may look, and whoever sits at the server's machine may operate. A
refusal is the same JSON as over Socket.IO, with a status as for `POST /meter`; 503 is the answer of `/readyz` while the market does not do its work."""


def protocol_page() -> str:
    """Return the whole page, as Markdown."""
    components = _components()
    parts = [INTRODUCTION, _requests(), _events(), _demand_response(), _reports(), _routes(), _codes()]
    parts.append("## Messages\n")
    parts += [_message(name, schema) for name, schema in components.items() if "properties" in schema]
    parts.append(f"## JSON Schema\n\n```json\n{_document(components)}\n```\n")
    return "\n".join(parts)


def _document(components: Mapping[str, Schema]) -> str:
    """Return the schema of all messages, a line each."""
    lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(schema)}" for name, schema in components.items())
    return f'{{"$schema": {json.dumps(DIALECT)}, "$defs": {{\n{lines}\n}}}}'


def _components() -> dict[str, Schema]:
    """Return the JSON Schema of each message by name, its descriptions taken from the docstrings."""
    messages = {
        message.__name__: message
        for message in chain(
            wire.REQUESTS.values(),
            wire.ANSWERS.values(),
            wire.EVENTS.values(),
            *wire.REPORTS.items(),
            (data for data, _ in dr_wire.DR_REQUESTS.values() if data is not None),
            (answer for _, answer in dr_wire.DR_REQUESTS.values()),
            dr_wire.DR_EVENTS.values(),
            (route.answer for route in view.ROUTES if isinstance(route.answer, type)),
        )
    }
    _, components = msgspec.json.schema_components(messages.values(), ref_template="#/$defs/{name}")
    for name, schema in sorted(components.items()):
        _describe(schema, _kind(name))
    return dict(sorted(components.items()))


def _kind(name: str) -> type:
    """Return the message of a name."""
    found: type = next(getattr(module, name) for module in (wire, view, dr_wire) if hasattr(module, name))
    return found


def _describe(schema: Schema, kind: type) -> None:
    """Put what a docstring says of its fields to the fields."""
    schema["description"], _ = _read_docstring(kind)
    meanings: dict[str, str] = {}
    for ancestor in reversed(kind.__mro__):
        meanings |= _read_docstring(ancestor)[1]
    for name, field in schema.get("properties", {}).items():
        if field.get("additionalProperties") == _DECIMAL:
            field["additionalProperties"] = {"type": "number"}
        said = [
            text.removesuffix(".") for text in (meanings.get(name), field.pop("description", None)) if text
        ]
        if said:
            field["description"] = re.sub(r"\bNone\b", "null", "; ".join(said))


def _read_docstring(kind: type) -> tuple[str, dict[str, str]]:
    """Return what a docstring says in general, on one line, and of each of its `Args`."""
    general, _, rest = inspect.cleandoc(kind.__doc__ or "").partition("\n\nArgs:\n")
    meanings: dict[str, str] = {}
    name = ""
    for line in rest.split("\n\n")[0].splitlines():
        started = re.match(r"    (\w+): (.*)", line)
        if started:
            name = started[1]
        meanings[name] = started[2] if started else f"{meanings[name]} {line.strip()}"
    return " ".join(general.split()), meanings


# ---------------------------------------------------------------- tables


def _requests() -> str:
    rows = [
        ("`/market`", f"`{event}`", _data(wire.REQUESTS, event), _link(answer.__name__))
        for event, answer in wire.ANSWERS.items()
    ]
    status = _link(wire.Status.__name__)
    rows += [("`/simulation`", f"`{event}`", _data(wire.REQUESTS, event), status) for event in CONTROLS]
    return _table("## Requests, to the server", ("namespace", "event", "data", "answer"), rows)


def _data(messages: Mapping[str, type], event: str) -> str:
    message = messages.get(event)
    if message is None:
        return "none"
    return f"a list of {_link(message.__name__)}" if event == "orders" else _link(message.__name__)


def _events() -> str:
    rows = [
        ("`/simulation`" if message is wire.Status else "`/market`", f"`{event}`", _link(message.__name__))
        for event, message in wire.EVENTS.items()
    ]
    return _table("## Events, from the server", ("namespace", "event", "data"), rows)


def _demand_response() -> str:
    requests = [
        (
            f"`{event}`",
            "to the server",
            "none" if data is None else _link(data.__name__),
            _link(answer.__name__),
        )
        for event, (data, answer) in dr_wire.DR_REQUESTS.items()
    ]
    events = [
        (f"`{event}`", "from the server", _link(message.__name__), "")
        for event, message in dr_wire.DR_EVENTS.items()
    ]
    columns = ("event", "direction", "data", "answer")
    return _table(f"## Demand response\n\n{DEMAND_RESPONSE}", columns, [*requests, *events])


def _reports() -> str:
    rows = [(_link(report.__name__), _link(answer.__name__)) for report, answer in wire.REPORTS.items()]
    return _table(f"## Reports of meters\n\n{METERS}", ("report", "answer"), rows)


def _routes() -> str:
    rows = [
        (
            f"`{route.method} {route.path}`",
            route.token or "none",
            route.answer if isinstance(route.answer, str) else _link(route.answer.__name__),
            route.meaning,
        )
        for route in view.ROUTES
    ]
    return _table(ROUTES, ("route", "token", "answer", "what for"), rows)


def _codes() -> str:
    rows = [(f"`{code.value}`", CODES[code]) for code in RefusalCode]
    return _table("## Refusals", ("code", "when"), rows)


def _message(name: str, schema: Schema) -> str:
    required = schema.get("required", ())
    rows = [
        (
            f"`{field}`",
            _type(described),
            _presence(described, needed=field in required),
            described.get("description", ""),
        )
        for field, described in schema["properties"].items()
    ]
    return _table(f"### {name}\n\n{schema['description']}", ("field", "type", "if left out", "meaning"), rows)


def _presence(field: Schema, *, needed: bool) -> str:
    if needed:
        return "required"
    return f"`{json.dumps(field['default'])}`" if "default" in field else "not there"


def _type(field: Schema) -> str:
    """Say in a few words which values a field may have."""
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return "[code](#refusals)" if name == RefusalCode.__name__ else _link(name)
    if "anyOf" in field:
        return " or ".join(_type(choice) for choice in field["anyOf"])
    if "enum" in field:
        return " or ".join(f"`{json.dumps(value)}`" for value in field["enum"])
    match field.get("type"):
        case "array" if "prefixItems" in field:
            return f"[{', '.join(_type(item) for item in field['prefixItems'])}]"
        case "array":
            return f"list of {_type(field.get('items', {}))}"
        case "object":
            return f"name → {_type(field.get('additionalProperties', {}))}"
        case None:
            return "any"
        case plain:
            return str(plain)


def _link(name: str) -> str:
    return f"[{name}](#{name.lower()})"


def _table(heading: str, columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heading, "", f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    lines += [f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |" for row in rows]
    return "\n".join(lines) + "\n"
