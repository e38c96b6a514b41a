"""Scenario files and journals: one command a line, as JSON.

A live market's journal has the format of a scenario, so that it can be
replayed, audited and shared. The first line opens the market. A journal's
lines have two keys more: `seq`, a running number, and `crc`, a checksum.

    lines     one line <-> one command, and what a line must be
    reading   a file -> commands
    writing   commands -> a file, durable before anybody is told
"""

from trex_market.journal.lines import Position
from trex_market.journal.reading import BEGINNING, export, leads_to, read_commands, verify
from trex_market.journal.writing import Journal

__all__ = ["BEGINNING", "Journal", "Position", "export", "leads_to", "read_commands", "verify"]
