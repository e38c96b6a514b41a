"""Strategies: what a home bids and asks, and what its battery does.

    baseline           no trade; the battery serves self-consumption (net billing)
    basic              fixed bid and ask price; the battery charges and discharges by the hour
    zero_intelligence  random prices within the grid's (ZI-C)
    linear_ramp        prices move from one end to the other until the gate closes
    battery_arbitrage  the battery buys cheap and sells dear
    flexible           the battery does what was sold as flexibility; everything else at fixed prices
    responsive         the battery is kept full, and serves the home when it is asked to take less
    q_learning         learns at which price to bid and to ask, for each hour of the day

A strategy of your own is any class with ``decide(view) -> Decision``; a config
names it as "module:Class".
"""
