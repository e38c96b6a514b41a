"""Speed, each figure beside a bare limit measured in the same run: `trex-market bench`.

    figures           what a benchmark gives; tables, JSON, growth with the size
    clearing          order objects through the market; delivery of a slot
    rounds            simulation in one process, with and without recording
    kernels           orders in columns through compiled clearing
    sockets           simulation over Socket.IO
    acknowledgements  orders on the wall clock
    uftp              messages of flexibility trading over HTTP
    learning          steps of the environments for learning agents

Timings are no tests: nothing here fails because it is slow.
"""

from trex_market.benchmarks.registry import BENCHMARKS, chosen_benchmarks

__all__ = ["BENCHMARKS", "chosen_benchmarks"]
