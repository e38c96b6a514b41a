"""Keys in the terminal: p pause, r resume, s step, q stop; on the wall clock only q."""

from __future__ import annotations

import asyncio
import os
import sys
import termios
import tty
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager


@contextmanager
def terminal_keys(controls: Mapping[str, Callable[[], None]], say: Callable[[str], None]) -> Iterator[None]:
    """Let a person control a market by keys, where there is a terminal.

    Args:
        controls: word -> what it does; its first letter is the key, and q stops.
        say: tells the person something.
    """
    if not sys.stdin.isatty():
        yield
        return
    keys = {"q" if word == "stop" else word[0]: control for word, control in controls.items()}

    def pressed() -> None:
        for key in os.read(sys.stdin.fileno(), 64).decode(errors="replace").lower():
            if key in keys:
                keys[key]()

    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin.fileno())
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin.fileno(), pressed)
    # Not before: setting the terminal throws away what was typed until then.
    say("keys: " + ", ".join(f"{'q' if word == 'stop' else word[0]} {word}" for word in controls))
    try:
        yield
    finally:
        loop.remove_reader(sys.stdin.fileno())
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
