"""``harness new``: a rig file of one's own, begun as a copy of one that works."""

from __future__ import annotations

import re
from pathlib import Path

from harness.config import find_rig, reader, rig_from_text
from harness.config.problems import DataPath
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
    rig = rig_from_text(text, str(source))
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
    # The commands and folders of its comments, with the name that now is theirs; not how to copy it.
    text = re.sub(rf"(harness (?:run|check|plan) ){re.escape(source.stem)}\b", rf"\g<1>{stem}", text)
    old = re.escape(rig.rig.name)
    text = re.sub(rf"\breports/{old}(?![\w-])", f"reports/{name.replace('_', '-')}", text)
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


def for_a_real_robot(path: Path) -> list[str]:
    """What has to change in a rig file of a simulated robot before it is one of a real robot, a line for
    each place, ``FILE:LINE: ...``; empty for the rig of a real one."""
    document = reader.parse(path.read_text(encoding="utf-8"), str(path))
    data = document.data
    if not data["rig"]["simulated"]:
        return []
    found: list[tuple[DataPath, str]] = [(("rig", "simulated"), "simulated: true becomes false")]
    if data.get("processes"):
        names = ", ".join(data["processes"])
        found.append((("processes",), f"processes goes: it starts the simulated robot ({names})"))
    for name, device in data["devices"].items():
        if device.get("domain_id") == "auto":
            found.append(
                (("devices", name, "domain_id"), "domain_id: auto goes, or becomes the robot's ROS_DOMAIN_ID")
            )
        if device.get("discovery") == "localhost":
            found.append(
                (
                    ("devices", name, "discovery"),
                    "discovery: localhost goes, unless the robot's nodes are on this machine",
                )
            )
    return [f"{path}:{document.position(place, of_key=True).line}: {words}" for place, words in found]
