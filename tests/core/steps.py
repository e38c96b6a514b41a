"""How many steps something takes, which is no matter of the machine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def counted_steps() -> Iterator[list[int]]:
    """Count the lines of the core that are run."""
    count = [0]

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if "trex_market" not in frame.f_code.co_filename:
            return None
        count[0] += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield count
    finally:
        sys.settrace(before)
