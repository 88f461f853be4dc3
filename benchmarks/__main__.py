"""``python -m benchmarks``: run benchmarks, print their figures with their targets."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.figures import Outcome, load, table

NAMES = (
    "recording",
    "rerender",
    "verdict",
    "compare",
    "known_delay",
    "lateness",
    "ros2_round_trip",
    "bag_recording",
    "budget",
    "history",
    "large",
    "board_ping",
    "spot",
    "anomalies",
    "regressions",
)


def host() -> dict[str, Any]:
    """What the figures belong to."""
    from harness.hostinfo import collect_host, collect_versions

    return {"host": collect_host(), "versions": collect_versions()}


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    found.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(NAMES)}; default: all")
    found.add_argument("--quick", action="store_true", help="few repeats: to try it, not to quote")
    found.add_argument("--json", type=Path, metavar="FILE", help="write all figures, block by block")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 when every target is met, 1 when one is missed, 2 for a wrong name."""
    options = parser().parse_args(arguments)
    unknown = [name for name in options.names if name not in NAMES]
    if unknown:
        print(f"no benchmark {unknown[0]!r}; there are: {', '.join(NAMES)}", file=sys.stderr)
        return 2
    print(f"{platform.platform()}, {os.cpu_count()} CPUs, load {load():.2f} at the start", flush=True)
    outcomes: list[Outcome] = []
    # Runs of a rig lock it for the whole machine; a benchmark does not compete with a test bench for it.
    with tempfile.TemporaryDirectory(prefix="harness-bench-locks-") as locks:
        os.environ["HARNESS_LOCK_DIR"] = locks
        for name in options.names or NAMES:
            print(f"running {name} ...", file=sys.stderr, flush=True)
            outcomes.append(importlib.import_module(f"benchmarks.{name}").run(options.quick))
    print(table(outcomes))
    if options.json:
        document = {**host(), "quick": options.quick, "benchmarks": [asdict(each) for each in outcomes]}
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    missed = [figure for outcome in outcomes for figure in outcome.figures if figure.met is False]
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
