"""``python -m harness.telemetry.dashboards [FOLDER]`` writes dashboards and rules, by default into
dashboards/."""

from __future__ import annotations

import sys
from pathlib import Path

from harness.telemetry.dashboards.files import written


def main(arguments: list[str]) -> None:
    """Write every file, and say which."""
    folder = Path(arguments[0] if arguments else "dashboards")
    for name, text in written().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main(sys.argv[1:])
