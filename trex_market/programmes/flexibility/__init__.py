"""Flexibility trading between a grid operator and aggregators, after the Universal Flex Trading Protocol.

reasons     why a message is rejected
messages    what is told, and the records in it
isps, money the days' ISPs; money of 4 decimals
congestion  where a limit is exceeded, and what is asked for
selection   which offers are ordered
settlement  what an order comes to
checks      rules that hold for messages of both sides
grid_operator  the DSO's machine
aggregator  the AGR's machine
programme   both in one process, beside the market
"""
