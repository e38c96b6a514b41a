"""Demand response: devices are invited to shed load, what they shed is measured against a baseline, and paid.

records     terms, devices, events, invitations, outcomes
messages    commands and events
machine     the programme
known, clockwork    what it knows; what follows from the clock
checks      what may be asked for
inviting    who is asked for how much; the standing rule's answer
running     an event that goes on, and its status
calendar, history, devices    days; load by interval; what is measured of a device
baselines, expecting          what would have been taken
measuring, settling           what was taken in an event; what is paid for it
analytics   what the events of a period came to
"""

from trex_market.programmes.demand_response.machine import DemandResponse
from trex_market.programmes.demand_response.records import NAME, Terms

__all__ = ["NAME", "DemandResponse", "Terms"]
