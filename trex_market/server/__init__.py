"""The market over Socket.IO.

A request's way: `sockets` (Socket.IO) -> `desk` (who may do what; the answer) -> `engine`.
A round's way: `conductor` (rounds, deadlines) -> `seats` (each participant's place) -> connections, of which
`trex` speaks TREX-Core's 3.7.5 protocol.

    doorkeeper  tokens and roles; those who guess have to wait (`throttle`)
    lobby       connections that have not joined
    web         what holds for every HTTP request: origins, refusals, headers
    audit       a line for each refusal
    seats       a participant's place: it outlives its connections
    desk        answers requests
    conductor   the driver that plays rounds with participants who are far away
    trex        the protocol of TREX-Core 3.7.5, on the same handlers
    sockets     Socket.IO namespaces
    app         the aiohttp server; `tls`, `closing` and `discovery` help it
    certificates  makes certificates for machines of a local network

What people see goes `engine` -> `watching` (kept up to date from events) -> `cards` -> `publishing` (server-sent events).

    dashboard   the page, its state and events, an operator's actions
    alarms      what a person should know at once
    operations  health, readiness and, with `metrics` and `tally`, figures for Prometheus
"""
