"""``harness new``: a rig file of one's own, begun as a copy of one that works."""

from __future__ import annotations

import re
from pathlib import Path

from harness.config import find_rig, rig_from_text
from harness.errors import ConfigurationError

FOLDER = Path("rig_configs")
"""Where names of rigs are looked up first, in the working directory."""
_NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")


def new_rig(name: str, like: str, folder: Path = FOLDER) -> Path:
    """Write ``folder/NAME.yaml``, a copy of the rig ``like`` that bears the new name, comments included.

    Raises ConfigurationError for a name that no rig can have, a rig that is not there, a file that is.
    """
    if _NAME.fullmatch(name) is None:
        raise ConfigurationError(
            f"{name!r} cannot be the name of a rig",
            hint="small letters, digits and single - or _, e.g. my_base",
        )
    source = find_rig(like)
    text = source.read_text(encoding="utf-8")
    stem = name.replace("-", "_")
    text, named = re.subn(
        r"(?m)^(rig:(?:\n[ \t]*(?:#.*)?|\n[ \t]+[^\n]*)*?\n[ \t]+name:[ \t]*)[^\s#]+",
        lambda found: found[1] + name.replace("_", "-"),
        text,
        count=1,
    )
    if not named:
        raise ConfigurationError(
            f"{source} has no line `name:` under `rig:`", hint="copy it by hand, or take another one"
        )
    # The commands of its comments, with the name that now is theirs; not the line that tells how to copy it.
    text = re.sub(rf"(harness (?:run|check|plan) ){re.escape(source.stem)}\b", rf"\g<1>{stem}", text)
    text = re.sub(r"(?m)^# Copy it for your own:.*\n", "", text)
    rig_from_text(text, str(source))
    path = folder / f"{stem}.yaml"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigurationError(f"{path} is there already", hint="choose another name") from None
    return path
