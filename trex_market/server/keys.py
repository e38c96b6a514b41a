"""Keys in the terminal: p pause, r resume, s step, q stop."""

from __future__ import annotations

import asyncio
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from trex_market.server.conductor import Conductor


@contextmanager
def terminal_keys(conductor: Conductor, say: Callable[[str], None]) -> Iterator[None]:
    """Let a person control a simulation by keys, where there is a terminal.

    Args:
        conductor: plays the rounds.
        say: tells the person something.
    """
    if not sys.stdin.isatty():
        yield
        return
    controls = {"p": conductor.pause, "r": conductor.resume, "s": conductor.step, "q": conductor.stop}

    def pressed() -> None:
        control = controls.get(sys.stdin.read(1).lower())
        if control is not None:
            control()

    say("keys: p pause, r resume, s step, q stop")
    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin.fileno())
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin.fileno(), pressed)
    try:
        yield
    finally:
        loop.remove_reader(sys.stdin.fileno())
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
