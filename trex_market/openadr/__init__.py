"""OpenADR 2.0b: a virtual top node (VTN) that shows a market's demand response events to virtual end nodes (VENs).

It is a process of its own beside the market, which it asks over HTTP with the operator's token: whatever is sent
to it can harm itself alone. It keeps nothing; a new one goes on where the last one was.

library    the OpenLEADR library, and what is done to it before it is used
filtering  which requests the library gets to see
market     the market's events, and answers to them, over HTTP
events     the market's events in OpenADR's words
node       what VENs are told, and what becomes of their answers
serving    a node at work
tls        certificates on both sides
"""
