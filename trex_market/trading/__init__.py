"""DSO, aggregators and CRO of a config as processes of their own, which talk UFTP over HTTP.

parties      who they are and where, from the config and a folder of keys
homes        a party's homes, played slot by slot
outcome      the load of each congestion point with and without flexibility, and what it cost
operating    the DSO's process: it leads the time
aggregating  an aggregator's process
registering  the CRO's process

The time is the study's. The DSO says how late it is by a test message, whose time stamp is the time; an aggregator
answers with a test message of its own when it has done all that follows of what it was sent; its ConversationID is
the MessageID of that message. Whoever says nothing is waited for once, and not again until it speaks.
"""
