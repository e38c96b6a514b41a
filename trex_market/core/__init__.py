"""The market as a pure state machine: commands in, events out.

Nothing in this package reads a clock, draws a number, touches a file or a
socket, or writes a log line.
"""
