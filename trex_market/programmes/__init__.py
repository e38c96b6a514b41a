"""Pure machines beside the market, on its clock and paid through its ledger.

programme   what the engine asks of one
registry    the commands of all of them, as a journal has them
"""

from trex_market.programmes.programme import Opened, Programme

__all__ = ["Opened", "Programme"]
