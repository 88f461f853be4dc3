"""Folders of runs are made as in the tests of the history."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "history"), str(TESTS / "report")]
