"""The market over arrays: the rules of `trex_market.core` for large populations, equal to them bit for bit.

Needs the extra `fast` (Numba, NumPy); importing any of it without raises `MissingExtraError`. Compiled code is kept on
disk, so that only the first use of a version waits for the compiler.

    clearing    a slot's orders in columns -> contracts: `clear_slot`; `clear_orders` inside compiled code
    columns     the columns of orders and contracts, their limits, and room to work in
    lots        lots and chance
    compiled    how a function is compiled

Of clearing there are besides, from the bottom up, `prices`, `sorting`, `lines`, `packing`, `pairwise`, `volumes`,
`interval`, `uniform`, `truthful` and `limits`.
"""

import trex_market.kernels.compiled  # noqa: F401 - says at once what is missing
