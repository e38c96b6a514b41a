"""Sharing rules: local prices from the community's own supply and demand, without orders.

They are baselines for auctions. Each takes what the participants gave and took
in a slot, netted within each home, and the grid's prices; it returns what those
who take pay and those who give get for every kWh, within the community or not:
the community settles with the grid as one.

    mmr           mid-market rate
    sdr           supply and demand ratio
    bill_sharing  the community's bill by consumption, its income by generation
    net_billing   no sharing: the grid's prices

Prices are rounded to whole micro-dollars per kWh, half to even. What the rounding
leaves over is the operator's, so that money balances to the nano-dollar.
"""

from __future__ import annotations

from collections.abc import Callable

from trex_market.core.tariff import GridPrices
from trex_market.core.units import rounded

SharedPrices = GridPrices
"""What those who give get, and those who take pay: `sell_price` and `buy_price`, micro-dollars per kWh."""

Sharing = Callable[[int, int, GridPrices], SharedPrices]
"""``(demand, supply, grid) -> prices``: Wh that participants took and gave in a slot, the grid's prices."""


def mmr(demand: int, supply: int, grid: GridPrices) -> SharedPrices:
    """Price by the mid-market rate.

    Energy shared is worth the middle of the grid's prices. Those who give more than is taken get the
    grid's price for the rest, spread over all they give; those who take more than is given pay it likewise.

    Args:
        demand: Wh taken.
        supply: Wh given.
        grid: the grid's prices.

    Source: C. Long, J. Wu, C. Zhang, L. Thomas, M. Cheng and N. Jenkins, "Peer-to-peer energy trading in a
    community microgrid", IEEE PES General Meeting, 2017.
    """
    twice_mid = grid.buy_price + grid.sell_price
    sell_price = buy_price = rounded(twice_mid, 2)
    if supply > demand:
        sell_price = rounded(demand * twice_mid + 2 * (supply - demand) * grid.sell_price, 2 * supply)
    elif demand > supply:
        buy_price = rounded(supply * twice_mid + 2 * (demand - supply) * grid.buy_price, 2 * demand)
    return SharedPrices(sell_price, buy_price)


def sdr(demand: int, supply: int, grid: GridPrices) -> SharedPrices:
    """Price by the ratio of supply to demand.

    ``P_s = s b / ((b - s) SDR + s)``, ``P_b = P_s SDR + b (1 - SDR)`` for SDR from 0 to 1, with s and b what the
    grid pays and charges; above 1 both are s.

    Args:
        demand: Wh taken.
        supply: Wh given.
        grid: the grid's prices; where it pays nothing or less, or more than it charges, they hold as they are.

    Source: N. Liu, X. Yu, C. Wang, C. Li, L. Ma and J. Lei, "Energy-sharing model with price-based demand
    response for microgrids of peer-to-peer prosumers", IEEE Transactions on Power Systems 32(5), 2017.
    """
    sell, buy = grid
    if sell <= 0 or buy < sell:
        return SharedPrices(sell, buy)
    if supply >= demand:
        return SharedPrices(sell, sell)
    # with SDR = supply / demand: P_s = s b demand / ((b - s) supply + s demand)
    below = (buy - sell) * supply + sell * demand
    local = rounded(sell * buy * demand, below)
    paid = rounded(sell * buy * supply * demand + buy * (demand - supply) * below, demand * below)
    return SharedPrices(local, paid)


def bill_sharing(demand: int, supply: int, grid: GridPrices) -> SharedPrices:
    """Share the community's bill by what each took, or its income by what each gave.

    What is shared within the community costs nothing: takers pay for the community's import alone, givers
    get its export alone.

    Args:
        demand: Wh taken.
        supply: Wh given.
        grid: the grid's prices.

    Source: C. Long et al., IEEE PES General Meeting, 2017; here slot by slot.
    """
    buy_price = rounded(max(0, demand - supply) * grid.buy_price, demand) if demand else grid.buy_price
    sell_price = rounded(max(0, supply - demand) * grid.sell_price, supply) if supply else grid.sell_price
    return SharedPrices(sell_price, buy_price)


def net_billing(_demand: int, _supply: int, grid: GridPrices) -> SharedPrices:
    """Share nothing: everybody pays and gets the grid's prices."""
    return grid


SHARING: dict[str, Sharing] = {
    "mmr": mmr,
    "sdr": sdr,
    "bill_sharing": bill_sharing,
    "net_billing": net_billing,
}
"""The sharing rules that there are, by name."""
