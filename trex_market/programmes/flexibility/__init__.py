"""Flexibility trading between a grid operator and aggregators, after the Universal Flex Trading Protocol.

messages, reasons    what they tell each other, and why a message is rejected
isps, money, ids     the ISPs of a day; money of 4 decimals; identifiers
records              what the machines go by, and all that they know
grid_operator        the DSO's machine, with operator_book, operator_checks, accounts
aggregator           the AGR's machine, with aggregator_checks, offering, own_accounts
checks, metering     rules and conversions of both
congestion           where a limit is exceeded, and what is asked for
selection            which offers are ordered
settlement           what an order comes to
programme            both in one process, beside the market: commands, trading, settling, payments
"""
