"""The market over Socket.IO.

A request's way: `sockets` (Socket.IO) -> `desk` (who may do what; the answer) -> `engine`.
A round's way: `conductor` (rounds, deadlines) -> `seats` (each participant's place) -> connections, of which
`trex` speaks TREX-Core's 3.7.5 protocol.

    doorkeeper  tokens
    seats       a participant's place: it outlives its connections
    desk        answers requests
    conductor   the driver that plays rounds with participants who are far away
    trex        the protocol of TREX-Core 3.7.5, on the same handlers
    sockets     Socket.IO namespaces
    app         the aiohttp server
"""
