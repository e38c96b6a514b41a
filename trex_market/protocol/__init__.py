"""The wire's and the scenario files' JSON, to commands and back.

wire       every message of the Socket.IO protocol, as a struct; the JSON Schema comes from these
requests   what a participant asks for -> commands, or a refusal with its code
answers    events and records -> what is sent
commands   scenario lines -> commands
schema     the JSON Schema of all messages, for docs/protocol.md
"""

from trex_market.protocol.commands import (
    command_record,
    contract_record,
    parse_command,
    parse_meter,
    parse_order,
    transaction_record,
)

__all__ = [
    "command_record",
    "contract_record",
    "parse_command",
    "parse_meter",
    "parse_order",
    "transaction_record",
]
