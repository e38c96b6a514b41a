"""The same recorded orders and readings under different rules, slot by slot, and how sure the differences are.

Readings are held fixed: what a home would have done with other contracts is
not played again. So the comparison is of rules, not of what people learn to do
under them; for that, run the config under each rule.
"""
