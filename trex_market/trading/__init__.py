"""DSO, aggregators and CRO of a config as processes of their own, which talk UFTP over HTTP.

parties      who they are and where, from the config and a folder of keys
homes        a party's homes, which join the market over sockets
outcome      the load of each congestion point with and without flexibility, and what it cost
leading      the DSO's service: it leads the time
led_market   rounds of the market, in which DSO and aggregators trade
operating    the DSO's process: it serves the market and keeps the record
aggregating  an aggregator's process
paying       what an aggregator hands on to its members, told to the market
registering  the CRO's process

All homes trade in one market, which the DSO serves over Socket.IO.

The time is the study's. The DSO says how late it is by a test message, whose time stamp is the time; an aggregator
answers with a test message of its own when it has done all that follows of what it was sent; its ConversationID is
the MessageID of that message. Whoever says nothing is waited for once, and not again until it speaks.
"""
