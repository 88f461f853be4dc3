"""Where rig files are: the working directory, then what is installed."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.config.problems import suggest
from harness.errors import ConfigurationError

_ENDINGS = (".yaml", ".yml")


def search_path(name: str = "rig_configs") -> list[Path]:
    """Folders of that name (of rig files), nearest first; those that do not exist are left out."""
    share = Path("share") / "harness" / name
    ament = [
        Path(prefix) / share for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if prefix
    ]
    folders = [
        Path(name),
        Path(__file__).resolve().parents[2] / name,
        Path(__file__).resolve().parents[1] / name,
        # Installed under a prefix of its own: PREFIX/lib/pythonX.Y/site-packages/harness/config.
        *(prefix / share for prefix in Path(__file__).resolve().parents[4:6]),
        Path(sys.prefix) / share,
        *ament,
    ]
    return [folder for folder in folders if folder.is_dir()]


def list_rigs(search: Sequence[Path] | None = None) -> list[Path]:
    """Every rig file that a name can mean, by name; of equal names the nearest."""
    found: dict[str, Path] = {}
    for folder in search_path() if search is None else search:
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.suffix in _ENDINGS and path.is_file():
                found.setdefault(_plain(path.stem), path)
    return [found[name] for name in sorted(found)]


def find_rig(name_or_path: str, search: Sequence[Path] | None = None) -> Path:
    """The rig file of that name (``-`` and ``_`` are the same) or at that path.

    Raises ConfigurationError naming the nearest names when there is none.
    """
    rigs = {_plain(path.stem): path for path in list_rigs(search)}
    is_path = "/" in name_or_path or os.sep in name_or_path or name_or_path.endswith(_ENDINGS)
    if not is_path and _plain(name_or_path) in rigs:
        return rigs[_plain(name_or_path)]
    path = Path(name_or_path)
    try:
        if path.is_file():
            return path
        if is_path and path.is_dir():
            raise ConfigurationError(f"{name_or_path} is a folder, not a rig file")
        near = [p.name for p in sorted(path.parent.iterdir()) if p.suffix in _ENDINGS] if is_path else []
    except (OSError, ValueError):
        # A name that no file can have, or a folder that is not there.
        near = []
    if is_path:
        names = near or [str(p) for p in rigs.values()]
        raise ConfigurationError(f"there is no rig file {name_or_path}", hint=suggest(path.name, names))
    stems = [p.stem for p in rigs.values()]
    raise ConfigurationError(
        f"there is no rig {name_or_path!r}",
        hint=suggest(name_or_path, stems, "give the path of a rig file, or run where rig_configs/ is"),
    )


def _plain(stem: str) -> str:
    return stem.lower().replace("-", "_")
