"""Flexibility trading over UFTP (Shapeshifter 3.x): a DSO, aggregators and a CRO on the network.

A message's way in: `entrance` (HTTP, size, rate) -> `sealing` (envelope, signature) -> `reading` (strict XML) ->
`checks` (sender, recipient, replay) -> `service` (`pre_process_...`, the answer, `process_...`).
A message's way out: `service` (`send`, `ask`) -> `courier` (order, retries, deadlines) -> `sealing`.

    library    the library that messages, and nothing else, come from: the extra `uftp`
    directory  who takes part, where, and with which key
    keys       pairs of keys, in files that nobody else can read
    replay     which messages were there before
    roles      what each role is sent, as classes to build on: `DsoService`, `AgrService`, `CroService`
    clients    what each role sends
    from_wire  the library's messages -> those of the pure machines; `to_wire` and `answers` the other way
    dso        our DSO, `agr` our AGR, `cro` our CRO with its `register`
"""

# First of all, so that whoever imports anything of this package without the library is told what to install.
from trex_market.uftp.library import uftp as messages

__all__ = ["messages"]
