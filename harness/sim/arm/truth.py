"""What the arm really did, for tests that compare the harness with it: one JSON object a line.

``{"event": ..., "t_ns": ..., ...}`` on standard output, instants in ns of CLOCK_MONOTONIC. Events:
``accepted``, ``rejected`` (``why``), ``began``, ``feedback`` (the first of a goal), ``moving``, ``rest``
(``positions`` in rad) and ``ended`` (``how``: succeeded, canceled, preempted or aborted). ``goal`` counts
goals from 1; trajectories of the topic have ``goal`` 0.
"""

from __future__ import annotations

import json
import time
from typing import Any


def tell(event: str, **what: Any) -> None:
    """One line of what happens now."""
    print(json.dumps({"event": event, "t_ns": time.monotonic_ns(), **what}), flush=True)
