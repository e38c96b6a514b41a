"""The SDK's HTTP: tokens, aggregators, batches, and an asset's or area's own commands.

Answers that matter come over the WebSocket, tagged with the request's
`transaction_id`; what HTTP answers is never empty, for agents take that for a
failure.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

import msgspec
from aiohttp import hdrs, web

from trex_market.core.errors import ProtocolError, RefusalCode
from trex_market.gateway.commands import failure
from trex_market.gateway.core import Gateway
from trex_market.gateway.registrations import Aggregator
from trex_market.gateway.ticks import Batch
from trex_market.gateway.translate import (
    AssetCommand,
    EnergyCommand,
    StatisticsCommand,
    energy_command,
    fee_command,
    malformed,
)
from trex_market.gateway.tree import Node

AGGREGATORS = "/external-connection/aggregator-api/{simulation}"
CONFIGURATIONS = "/external-connection/configurations/{simulation}"
DEVICES = "/external-connection/api/{simulation}"

API_VERSION = "1.3.0"

MOST_AGGREGATORS = 1_000
"""That a user can have."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class NoSuchError(ProtocolError):
    """There is no simulation, aggregator, asset or area of this name; HTTP says 404."""

    def __init__(self, detail: str) -> None:
        super().__init__(RefusalCode.UNKNOWN_PARTICIPANT, detail)


class ForbiddenError(ProtocolError):
    """It is somebody else's; HTTP says 403."""

    def __init__(self, detail: str) -> None:
        super().__init__(RefusalCode.UNAUTHORISED, detail)


class Rest:
    """Answers requests.

    Args:
        gateway: what they are about.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._users = gateway.users
        self._registrations = gateway.registrations

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Serve the routes."""
        post, get = router.add_post, router.add_get
        post("/api-token-auth/", self._token)
        post("/graphql/", self._graphql)
        get(f"{AGGREGATORS}/list-aggregators/", self._list)
        post(f"{AGGREGATORS}/create-aggregator/", self._create)
        post(f"{AGGREGATORS}/delete-aggregator/", self._delete)
        post(f"{AGGREGATORS}/select-aggregator/", self._select)
        post(f"{AGGREGATORS}/unselect-aggregator/", self._unselect)
        post(f"{AGGREGATORS}/batch-commands/", self._batch)
        get(f"{CONFIGURATIONS}/registry", self._registry)
        get(f"{CONFIGURATIONS}/simulation-config", self._config_file)
        post(f"{DEVICES}/set-scm-global-data/", self._ignored)
        get(f"{DEVICES}/{{device}}/dso-market-stats", self._statistics)
        for path, handler in {
            "register": self._register,
            "unregister": self._unregister,
            "set-energy-forecast": self._forecast,
            "set_energy_forecast": self._forecast,
            "set-energy-measurement": self._measurement,
            "set_energy_measurement": self._measurement,
            "set-live-generation": self._live,
            "set-scm-timeseries-and-member-data": self._ignored,
            "grid-fee": self._fee,
        }.items():
            post(f"{DEVICES}/{{device}}/{path}/", handler)

    # ------------------------------------------------------------ who and what

    def user(self, request: web.Request) -> str:
        """Return whose request it is, of this simulation.

        Raises:
            ProtocolError: unauthorised; `NoSuchError` for another simulation.
        """
        user = self._users.user_of(request.headers.get(hdrs.AUTHORIZATION, ""))
        self._check_simulation(request)
        self._gateway.busy()
        return user

    def _check_simulation(self, request: web.Request) -> None:
        named = request.match_info.get("simulation")
        if named is not None and named != self._gateway.simulation_id:
            raise NoSuchError(f"there is no simulation {named!r:.80} here")

    def device(self, uuid: object, user: str) -> Node:
        """Return the asset or area of a UUID, if a user may trade for it.

        Raises:
            NoSuchError: if there is none.
            ForbiddenError: if it is somebody else's.
        """
        node = self._gateway.tree.find(uuid) if isinstance(uuid, str) else None
        if node is None or not node.registered:
            raise NoSuchError(f"there is no asset or area {uuid!r:.80} to trade for")
        owner = self._registrations.owner(node.uuid)
        if owner is not None and owner.user != user:
            raise ForbiddenError(f"{node.name!r} is another aggregator's")
        if not self._gateway.may_select(user, node):
            raise ForbiddenError(f"{node.name!r} is not among what {user!r} may trade for")
        return node

    def aggregator(self, uuid: object, user: str) -> Aggregator:
        """Return a user's aggregator.

        Raises:
            NoSuchError: if there is none.
        """
        found = self._registrations.find(uuid)
        if found is None or found.user != user:
            raise NoSuchError(f"{user!r} has no aggregator {uuid!r:.80}")
        return found

    # ------------------------------------------------------------ tokens

    async def _token(self, request: web.Request) -> web.Response:
        body = await read(request)
        token = self._users.token(body.get("username"), body.get("password"), request.remote or "")
        return answer({"access": token, "token": token}, headers={"API-VERSION": API_VERSION})

    # ------------------------------------------------------------ aggregators

    async def _list(self, request: web.Request) -> web.Response:
        user = self.user(request)
        return answer([{"name": one.name, "uuid": one.uuid} for one in self._registrations.of_user(user)])

    async def _create(self, request: web.Request) -> web.Response:
        user = self.user(request)
        name = (await read(request)).get("name")
        if not isinstance(name, str) or not 0 < len(name) <= 200:
            malformed(f"an aggregator needs a name of 1 to 200 characters, found {name!r:.60}")
        if len(self._registrations.of_user(user)) >= MOST_AGGREGATORS:
            raise ProtocolError(RefusalCode.RATE_LIMITED, f"a user can have {MOST_AGGREGATORS} aggregators")
        made = self._registrations.create(name, user)
        return answer({"name": made.name, "uuid": made.uuid})

    async def _delete(self, request: web.Request) -> web.Response:
        user = self.user(request)
        aggregator = self.aggregator((await read(request)).get("aggregator_uuid"), user)
        self._gateway.forget(aggregator)
        return answer({"name": aggregator.name, "uuid": aggregator.uuid, "status": "deleted"})

    async def _select(self, request: web.Request) -> web.Response:
        user = self.user(request)
        body = await read(request)
        aggregator = self.aggregator(body.get("aggregator_uuid"), user)
        node = self.device(body.get("device_uuid"), user)
        try:
            self._gateway.select(aggregator, node)
        except ProtocolError as error:
            raise ForbiddenError(error.detail) from error
        return answer({"aggregator_uuid": aggregator.uuid, "device_uuid": node.uuid})

    async def _unselect(self, request: web.Request) -> web.Response:
        user = self.user(request)
        body = await read(request)
        aggregator = self.aggregator(body.get("aggregator_uuid"), user)
        node = self.device(body.get("device_uuid"), user)
        self._gateway.unselect(aggregator, node)
        return answer({"aggregator_uuid": aggregator.uuid, "device_uuid": node.uuid})

    async def _batch(self, request: web.Request) -> web.Response:
        user = self.user(request)
        body = await read(request)
        aggregator = self.aggregator(body.get("aggregator_uuid"), user)
        transaction_id = _transaction(body)
        self._gateway.ticker.add(Batch(aggregator, transaction_id, body.get("batch_commands")))
        return answer({"transaction_id": transaction_id})

    # ------------------------------------------------------------ the market

    async def _registry(self, request: web.Request) -> web.Response:
        self.user(request)
        return answer(self._gateway.registry())

    async def _config_file(self, request: web.Request) -> web.Response:
        self._check_simulation(request)
        kind, _, shown = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        if kind.lower() == "basic":
            user = self._users.check(*_basic(shown), request.remote or "")
        else:
            user = self.user(request)
        base = f"{request.scheme}://{request.host}"
        return answer(self._gateway.config_file(user, base), headers={hdrs.CONTENT_DISPOSITION: "attachment"})

    async def _graphql(self, request: web.Request) -> web.Response:
        user = self.user(request)
        return answer(self._gateway.graphql.answer(await read(request), user))

    # ------------------------------------------------------------ one asset or area

    async def _open(self, request: web.Request) -> tuple[Node, dict[str, Any], str]:
        user = self.user(request)
        body = await read(request)
        return self.device(request.match_info["device"], user), body, _transaction(body)

    async def _register(self, request: web.Request) -> web.Response:
        return await self._registered(request, registered=True)

    async def _unregister(self, request: web.Request) -> web.Response:
        return await self._registered(request, registered=False)

    async def _registered(self, request: web.Request, *, registered: bool) -> web.Response:
        node, _, transaction_id = await self._open(request)
        self._registrations.register(node.uuid, registered=registered)
        command = "register" if registered else "unregister"
        tell = {"status": "ready", f"{command}ed": True, "device_uuid": node.uuid}
        return self._told(node, command, transaction_id, tell)

    async def _forecast(self, request: web.Request) -> web.Response:
        return await self._energy(request, "set_energy_forecast")

    async def _measurement(self, request: web.Request) -> web.Response:
        return await self._energy(request, "set_energy_measurement")

    async def _energy(self, request: web.Request, kind: str) -> web.Response:
        node, body, transaction_id = await self._open(request)

        def command() -> EnergyCommand:
            given = body.get(kind.removeprefix("set_"))
            if given is None and "energy_Wh" in body:
                given = self._gateway.for_open_slot(body["energy_Wh"])
            return energy_command(kind, given, self._gateway.step)

        return await self._do(node, kind, transaction_id, command)

    async def _fee(self, request: web.Request) -> web.Response:
        node, body, transaction_id = await self._open(request)
        return await self._do(node, "grid_fees", transaction_id, lambda: fee_command(body))

    async def _statistics(self, request: web.Request) -> web.Response:
        node, _, transaction_id = await self._open(request)
        return await self._do(node, "dso_market_stats", transaction_id, StatisticsCommand)

    async def _live(self, request: web.Request) -> web.Response:
        """Take live data: they are shown to nobody, and change nothing."""
        node, _, transaction_id = await self._open(request)
        return self._told(node, "set-live-generation", transaction_id, {"status": "ready"})

    async def _ignored(self, request: web.Request) -> web.Response:
        """Take data of communities without a market, which this is not."""
        self.user(request)
        body = await read(request)
        return answer({"status": "ignored", "transaction_id": _transaction(body)})

    async def _do(
        self, node: Node, named: str, transaction_id: str, command: Callable[[], AssetCommand]
    ) -> web.Response:
        """Do a command at once; the answer goes to the asset's own socket."""
        try:
            told = {"status": "ready", **self._gateway.do(node, command())}
        except ProtocolError as error:
            told = failure(error)
        await self._gateway.host.safe()
        return self._told(node, named, transaction_id, told)

    def _told(self, node: Node, command: str, transaction_id: str, told: Mapping[str, Any]) -> web.Response:
        message = {"command": command, "transaction_id": transaction_id, "area_uuid": node.uuid, **told}
        self._gateway.mailboxes.post(node.uuid, message)
        return answer({"transaction_id": transaction_id, "status": told["status"]})


def _transaction(body: Mapping[str, Any]) -> str:
    """Return the id with which an answer is tagged."""
    named = body.get("transaction_id")
    return named if isinstance(named, str) and len(named) <= 200 else str(uuid4())


async def read(request: web.Request) -> dict[str, Any]:
    """Return a request's body: a JSON object, or a form.

    Raises:
        ProtocolError: malformed.
    """
    data = await request.read()
    form = request.content_type == "application/x-www-form-urlencoded"
    if form and not data.lstrip().startswith(b"{"):  # what curl says of any body
        return _form(data)
    try:
        body = msgspec.json.decode(data) if data else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        malformed(f"the body is no JSON: {error}")
    if not isinstance(body, dict):
        malformed(f"the body is an object, found {body!r:.60}")
    return body


def _form(data: bytes) -> dict[str, Any]:
    """Read a form; numbers are numbers."""
    try:
        pairs = parse_qsl(data.decode(), keep_blank_values=True, max_num_fields=100)
    except ValueError as error:
        malformed(f"the body is no form: {error}")
    return {name: _value(text) for name, text in pairs}


def _value(text: str) -> object:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text


def _basic(shown: str) -> tuple[str, str]:
    """Return user and password of `Authorization: Basic`."""
    try:
        user, _, password = b64decode(shown, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise ProtocolError(RefusalCode.UNAUTHORISED, "username and password are needed") from None
    return user, password


def answer(body: object, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return an answer in JSON."""
    encoded = msgspec.json.encode(body)
    return web.Response(body=encoded, content_type="application/json", headers=headers)


@web.middleware
async def forbidding(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer with 403 for what is somebody else's; another token would not help."""
    try:
        return await handler(request)
    except ForbiddenError as error:
        body = msgspec.json.encode({"ok": False, "code": error.code, "detail": error.detail})
        return web.Response(body=body, status=403, content_type="application/json")
