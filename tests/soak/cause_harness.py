"""A run of a rig in a process of its own: ``cause_harness.py RIG OUT [core=N] [garbage]``.

``garbage``: from the middle of a second after it began a thread keeps many objects and has them looked
through now and then, which holds up all of Python.
"""

from __future__ import annotations

import gc
import os
import random
import sys
import threading
import time
from pathlib import Path

from harness.config import load_rig
from harness.runner import RunOptions, run_rig


def litter(folder: Path) -> None:
    while not (folder / "events.jsonl").exists() or "measuring" not in (folder / "events.jsonl").read_text():
        time.sleep(0.05)
    chance, kept = random.Random(), []
    for _ in range(40):
        kept.append([[] for _ in range(12_000)])
        time.sleep(0.001)
    while True:
        time.sleep(0.1 + chance.expovariate(1 / 0.2))
        gc.collect()


def main() -> int:
    rig, out, how = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
    for each in how:
        if each.startswith("core="):
            os.sched_setaffinity(0, {int(each[5:])})

    def begun(folder):
        print(folder.path, flush=True)
        if "garbage" in how:
            threading.Thread(target=litter, args=(folder.path,), daemon=True).start()

    outcome = run_rig(load_rig(rig, ()), RunOptions(out=out, report=False), on_folder=begun)
    print(outcome.error or outcome.verdict.value, file=sys.stderr)
    return 0


if __name__ == "__main__":
    os._exit(main())
