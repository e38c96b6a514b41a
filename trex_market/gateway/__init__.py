"""Agents written for Grid Singularity's SDK (gsy-e-sdk 1.3) trade here, unmodified.

A participant is a home: an area of the SDK's grid, with a load, a PV and a
storage as assets. What an aggregator orders for an asset is an order of its
home; the gateway has the homes' seats, plays their meters and ends their
turns, ten ticks after the slot began.

    translate      kWh and cents <-> Wh and micro-dollars, commands and events; pure
    tree           areas, homes and assets, by name and UUID
    homes          what a home needs and has, and its meter readings
    commands       a command of an asset or area -> its answer
    statistics     what was traded and what flowed in the last slot
    registrations  aggregators, and whose assets are whose
    ticks          rounds and ticks: batches, clearing, events
    mailboxes      messages for sockets that are there, or will be
    rest, websocket, graphql   the SDK's HTTP and WebSocket
    redis_mode     the same over Redis
"""
