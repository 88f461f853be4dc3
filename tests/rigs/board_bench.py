"""Simulated boards for tests: started, wired, ended."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def start(link: Path, *options: str) -> subprocess.Popen[str]:
    """A board behind ``link``, ready to be opened."""
    words = [sys.executable, "-m", "harness.sim.board", "--link", str(link), *options]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("ready /dev/"), line
    return process


def end(process: subprocess.Popen[str]) -> None:
    """At once, as a pulled cable."""
    process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


@contextmanager
def running(link: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    process = start(link, *options)
    try:
        yield process
    finally:
        end(process)
