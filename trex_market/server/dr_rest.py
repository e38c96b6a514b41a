"""Demand response over HTTP, for those who manage it: `/dr/...`, described by `/dr/openapi.json`.

To look needs the observer's token, to change anything the operator's; see `server.doorkeeper`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal, NamedTuple

import msgspec
from aiohttp import hdrs, web

from trex_market.core.errors import ProtocolError, RefusalCode
from trex_market.programmes.demand_response import checks
from trex_market.programmes.demand_response import messages as said
from trex_market.programmes.demand_response.analytics import PERIOD_S
from trex_market.programmes.demand_response.running import RunningEvent, Stage
from trex_market.protocol import dr_answers, dr_wire, wire
from trex_market.protocol.requests import LATEST, decoded_json
from trex_market.server.app import MarketServer
from trex_market.server.clock import Clock
from trex_market.server.demand_response import Responding
from trex_market.server.doorkeeper import Role
from trex_market.server.dr_openapi import openapi
from trex_market.server.dr_participants import programme_of

MAX_BODY_BYTES = 1_000_000

DAY_S = 86_400

JSON = "application/json"


class Route(NamedTuple):
    """Something that can be asked for.

    Args:
        method: of HTTP.
        path: with names in braces.
        name: of the operation.
        meaning: a sentence.
        role: whose token it needs.
        answer: what comes back.
        body: what is sent; None for nothing.
        query: names of parameters, all whole numbers.
    """

    method: Literal["GET", "POST", "PUT"]
    path: str
    name: str
    meaning: str
    role: Role
    answer: type[wire.Message]
    body: type[wire.Message] | None = None
    query: tuple[str, ...] = ()


LOOK, CHANGE = Role.OBSERVER, Role.OPERATOR

ROUTES = (
    Route("GET", "/dr/events", "list_events", "All events that are known, the latest first; or those that end after a moment.", LOOK, dr_wire.DrOverview, None, ("after",)),
    Route("POST", "/dr/events", "invite", "Invite devices to an event.", CHANGE, dr_wire.EventTaken, dr_wire.NewEvent),
    Route("GET", "/dr/events/{event_id}", "show_event", "An event, and how it does.", LOOK, dr_wire.EventAnswer),
    Route("POST", "/dr/events/{event_id}/cancel", "cancel_event", "Cancel an event; what was shed until now is paid for.", CHANGE, dr_wire.EventTaken),
    Route("POST", "/dr/events/{event_id}/answer", "answer", "Answer for a device instead of its participant.", CHANGE, dr_wire.EventTaken, dr_wire.GivenAnswer),
    Route("GET", "/dr/invitations", "list_invitations", "Invitations without an answer, and those answered lately.", LOOK, dr_wire.Invitations),
    Route("GET", "/dr/devices", "list_devices", "All devices, and what they could shed now.", LOOK, dr_wire.Devices),
    Route("PUT", "/dr/devices/{device_id}/hours", "instruct_device", "Say for each hour of the day how much of a device can be shed.", CHANGE, wire.Result, dr_wire.Hours),
    Route("GET", "/dr/flexibility", "show_flexibility", "What could be shed now, and at the full hours before.", LOOK, dr_wire.Snapshots),
    Route("POST", "/dr/flexibility", "take_flexibility", "Write down what could be shed now.", CHANGE, dr_wire.Snapshots),
    Route("PUT", "/dr/auto-response", "set_default_rule", "Change the standing rule of all who have none of their own.", CHANGE, wire.Result, dr_wire.AutoResponse),
    Route("PUT", "/dr/auto-response/{participant_id}", "set_rule", "Change a participant's standing rule.", CHANGE, wire.Result, dr_wire.AutoResponse),
    Route("GET", "/dr/analytics", "analyse", "What the events of a period came to; the last 30 days if left out.", LOOK, dr_wire.Analytics, None, ("start", "end")),
)  # fmt: skip
"""All routes but that of the description itself."""


class Management:
    """Answers those who manage demand response.

    Args:
        server: of the market.
        responding: demand response as the server does it.
    """

    def __init__(self, server: MarketServer, responding: Responding) -> None:
        self._server = server
        self._responding = responding
        self._known = responding.programme.known
        self._handlers: dict[str, Callable[[web.Request], Awaitable[wire.Message]]] = {
            "list_events": self._list_events,
            "invite": self._invite,
            "show_event": self._show_event,
            "cancel_event": self._cancel,
            "answer": self._answer,
            "list_invitations": self._invitations,
            "list_devices": self._devices,
            "instruct_device": self._instruct,
            "show_flexibility": self._flexibility,
            "take_flexibility": self._take_flexibility,
            "set_default_rule": self._set_rule,
            "set_rule": self._set_rule,
            "analyse": self._analyse,
        }

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Serve the routes, before the server listens."""
        described = openapi(ROUTES)

        async def describe(_request: web.Request) -> web.Response:
            return web.Response(body=described, content_type=JSON)

        router.add_get("/dr/openapi.json", describe)
        for route in ROUTES:
            router.add_route(route.method, route.path, self._handled(route))

    def _handled(self, route: Route) -> Callable[[web.Request], Awaitable[web.Response]]:
        handler = self._handlers[route.name]

        async def handle(request: web.Request) -> web.Response:
            self._server.admit(request, route.role)
            answer = await handler(request)
            await self._responding.safe()
            body = msgspec.json.encode(answer)
            return web.Response(body=body, content_type=JSON, headers={hdrs.CACHE_CONTROL: "no-store"})

        return handle

    # ------------------------------------------------------------ events

    def _state(self, running: RunningEvent) -> dr_wire.DrEventState:
        return dr_answers.event_state(running, self._responding.now())

    async def _list_events(self, request: web.Request) -> wire.Message:
        after = _number(request, "after", 0)
        events = [self._state(one) for one in self._known.events.values() if one.event.end > after]
        return dr_wire.DrOverview(events=events[::-1], time=self._responding.now())

    async def _invite(self, request: web.Request) -> wire.Message:
        wanted = decoded_json(dr_wire.NewEvent, await _body(request))
        command = dr_answers.invitation(wanted, self._new_id(wanted.start), self._responding.now())
        outcome = self._responding.submit(command)
        assert isinstance(outcome, said.DrInvited)
        return dr_wire.EventTaken(made=self._state(self._known.events[outcome.event.event_id]))

    def _new_id(self, start: int) -> str:
        """Return an id that no event has."""
        number, name = 1, f"e{start}"
        while name in self._known.events:
            number += 1
            name = f"e{start}-{number}"
        return name

    async def _show_event(self, request: web.Request) -> wire.Message:
        running = self._responding.running(request.match_info["event_id"])
        progress, now = None, self._responding.now()
        if running.stage == Stage.STARTED:
            devices = self._known.progress(running, now)
            progress = dr_answers.progress_message(running.event.event_id, now, devices)
        return dr_wire.EventAnswer(found=self._state(running), progress=progress)

    async def _cancel(self, request: web.Request) -> wire.Message:
        event_id = request.match_info["event_id"]
        self._responding.running(event_id)  # what is unknown needs no line in the journal
        self._responding.submit(said.CancelDr(event_id, self._responding.now()))
        return dr_wire.EventTaken(made=self._state(self._known.events[event_id]))

    async def _answer(self, request: web.Request) -> wire.Message:
        running = self._responding.running(request.match_info["event_id"])
        wanted = decoded_json(dr_wire.GivenAnswer, await _body(request))
        invitation = running.invitations.get(wanted.device_id)
        owner = "" if invitation is None else invitation.participant_id
        reduction_w = 0
        if wanted.reduction_kw is not None:
            reduction_w = dr_answers.watts(wanted.reduction_kw)
        elif wanted.accept and invitation is not None:
            reduction_w = invitation.asked_w
        event_id, now = running.event.event_id, self._responding.now()
        self._responding.submit(
            said.AnswerDr(event_id, wanted.device_id, owner, wanted.accept, now, reduction_w)
        )
        return dr_wire.EventTaken(made=self._state(running))

    async def _invitations(self, _request: web.Request) -> wire.Message:
        now = self._responding.now()
        parts = [
            dr_answers.event_device(running, one, now)
            for running in self._known.events.values()
            for one in running.invitations.values()
        ]
        answered = [one for one in parts if one.answered_at is not None and one.answered_at > now - DAY_S]
        return dr_wire.Invitations(
            unanswered=[one for one in parts if one.answered_at is None and one.status == "pending"],
            answered=sorted(answered, key=lambda one: one.answered_at or 0, reverse=True),
        )

    # ------------------------------------------------------------ devices

    async def _devices(self, _request: web.Request) -> wire.Message:
        known, now = self._known, self._responding.now()
        could = known.flexibility(now)
        listed = []
        for shed in could.devices:
            device = known.devices[shed.device_id]
            listed.append(
                dr_wire.DeviceInfo(
                    device_id=shed.device_id,
                    participant_id=shed.participant_id,
                    measured=device.device.measured,
                    hours=list(device.device.hours),
                    sampled_at=device.sampled_at,
                    power_kw=None if shed.power_w is None else dr_answers.kilowatts(shed.power_w),
                    mode=shed.mode,
                    sheddable_kw=dr_answers.kilowatts(shed.sheddable_w),
                    auto_response=dr_answers.rule_message(known.rule_of(shed.participant_id)),
                )
            )
        return dr_wire.Devices(devices=listed, sheddable_kw=dr_answers.kilowatts(could.sheddable_w))

    async def _instruct(self, request: web.Request) -> wire.Message:
        hours = decoded_json(dr_wire.Hours, await _body(request)).hours
        device_id = request.match_info["device_id"]
        checks.known_device(self._known.devices, device_id)
        self._responding.submit(said.InstructDevice(device_id, tuple(hours), self._responding.now()))
        return wire.Result()

    async def _flexibility(self, _request: web.Request) -> wire.Message:
        now = self._known.flexibility(self._responding.now())
        history = [dr_answers.snapshot(one) for one in reversed(self._responding.snapshots)]
        return dr_wire.Snapshots(now=dr_answers.snapshot(now), history=history)

    async def _take_flexibility(self, request: web.Request) -> wire.Message:
        self._responding.submit(said.TakeFlexibility(self._responding.now()))
        return await self._flexibility(request)

    async def _set_rule(self, request: web.Request) -> wire.Message:
        rule = dr_answers.auto_response(decoded_json(dr_wire.AutoResponse, await _body(request)))
        participant_id = request.match_info.get("participant_id")
        if participant_id is not None and self._server.desk.seats.find(participant_id) is None:
            detail = "there is no such participant"
            raise ProtocolError(RefusalCode.UNKNOWN_PARTICIPANT, detail)
        self._responding.submit(said.SetAutoResponse(participant_id, rule, self._responding.now()))
        return wire.Result()

    async def _analyse(self, request: web.Request) -> wire.Message:
        now = self._responding.now()
        end = _number(request, "end", now)
        start = _number(request, "start", end - PERIOD_S)
        if start >= end:
            raise checks.refuse(RefusalCode.BAD_TIME, f"start must be before end, found {start} and {end}")
        return dr_answers.analytics_message(self._responding.programme.analytics(start, end))


def serve_demand_response(server: MarketServer, clock: Clock) -> Responding | None:
    """Let a server do demand response, before it listens.

    Args:
        server: its desk has an engine.
        clock: tells the time.

    Returns:
        what is to be attended; None if there is no such programme beside the market.
    """
    assert server.desk.engine is not None
    programme = programme_of(server.desk.engine)
    if programme is None:
        return None
    responding = Responding(server.desk, programme, clock)
    Management(server, responding).add_to(server.application.router)
    server.dashboard.has_demand_response = True
    server.application.router.add_get("/dr", server.dashboard.demand_response_page)
    return responding


def _number(request: web.Request, name: str, default: int) -> int:
    """Return a parameter of the query.

    Raises:
        ProtocolError: bad_time.
    """
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 12 and int(text) <= LATEST):
        raise ProtocolError(RefusalCode.BAD_TIME, f"{name} must be UNIX seconds, found {text[:40]!r}")
    return int(text)


async def _body(request: web.Request) -> bytes:
    """Return a request's body.

    Raises:
        ProtocolError: malformed, if it is too large, or broke off.
    """
    body = bytearray()
    try:
        async for piece in request.content.iter_any():
            body += piece
            if len(body) > MAX_BODY_BYTES:
                raise ProtocolError(RefusalCode.MALFORMED, f"a request may have {MAX_BODY_BYTES} bytes")
    except (ConnectionError, web.RequestPayloadError) as error:
        raise ProtocolError(RefusalCode.MALFORMED, "the request broke off before its end") from error
    return bytes(body)
