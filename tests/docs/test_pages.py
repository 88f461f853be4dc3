"""The pages say what is there: commands exist, links lead somewhere, rig files in them are valid."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml

from harness.cli import cli
from harness.config import list_rigs, load_rig, rig_from_text

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text) + re.findall(r'src="([^"]+)"', text)
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    calls = re.findall(r"`harness ([a-z]+)([^`]*)`", text) + re.findall(
        r"^\s*(?:\.venv/bin/)?harness ([a-z]+)(.*)$", text, re.MULTILINE
    )
    planned = {"plan", "doctor", "compare", "history"} if page.name == "design.md" else set()
    for name, arguments in calls:
        if name in planned:
            continue
        assert name in cli.commands, f"{page.name}: harness {name}"
        command = cli.commands[name]
        if isinstance(command, click.Group):
            within = arguments.split(maxsplit=1)[0] if arguments.strip() else ""
            assert not within or within in command.commands, f"{page.name}: harness {name} {within}"
            command = command.commands.get(within, command)
        known = {option for parameter in command.params for option in parameter.opts}
        given = re.findall(r"(?<![\w-])--[a-z-]+", arguments)
        assert set(given) <= known, f"{page.name}: harness {name}{arguments}"


def test_the_readme_begins_with_the_two_commands() -> None:
    first = blocks(ROOT / "README.md", "")[0].splitlines()
    assert [line.split("#")[0].strip() for line in first] == ["make run", "make test"]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for line in first:
        target = shlex.split(line.split("#")[0])[1]
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_the_rig_file_of_the_readme_is_valid() -> None:
    text = next(block for block in blocks(ROOT / "README.md", "yaml") if block.startswith("rig:"))
    rig = rig_from_text(text, "README.md")
    real = load_rig(ROOT / "rig_configs" / "sim_diff_drive.yaml").rig
    assert rig.requirements[0].limit == real.requirements[0].limit
    assert rig.scenarios["command"].schedule == real.scenarios["command"].schedule


@pytest.mark.parametrize("path", list_rigs(), ids=lambda path: path.stem)
def test_every_rig_file_loads_and_names_itself(path: Path) -> None:
    loaded = load_rig(path)
    assert loaded.rig.rig.name == path.stem.replace("_", "-")
    assert loaded.rig.rig.description


def test_the_makefile_and_ci_name_the_same_tasks() -> None:
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert ci.index("make test") < ci.index("run ARGS=")
    for workflow in (ROOT / ".github" / "workflows").glob("*.yml"):
        assert yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"]


def test_the_rig_file_page_is_what_the_schema_says() -> None:
    made = subprocess.run(
        [sys.executable, "-c", "import rig_reference; print(rig_reference.page(), end='')"],
        cwd=ROOT / "scripts",
        env={**os.environ, "PYTHONPATH": str(ROOT / "scripts")},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    written = (ROOT / "docs" / "rig-file.md").read_text(encoding="utf-8")
    assert written == made, "run: python scripts/rig_reference.py"


SPEAKS_OF_OTHER_ADAPTERS, LEAVES_PARTS_OUT = "adapters.md", "own-robot.md"
WHOLE = [
    (page, number)
    for page in PAGES
    if page.name not in (SPEAKS_OF_OTHER_ADAPTERS, LEAVES_PARTS_OUT, "README.md")
    for number, block in enumerate(blocks(page, "yaml"))
    if block.startswith("rig:")
]


@pytest.mark.parametrize(("page", "number"), WHOLE, ids=lambda value: getattr(value, "name", str(value)))
def test_whole_rig_files_in_pages_are_valid(page: Path, number: int) -> None:
    assert rig_from_text(blocks(page, "yaml")[number], page.name).scenarios


def test_the_drawings_are_what_their_script_draws() -> None:
    words = "import json, wiring_drawings as w; print(json.dumps({n: d() for n, d in w.DRAWINGS.items()}))"
    made = subprocess.run(
        [sys.executable, "-c", words],
        cwd=ROOT / "scripts",
        env={**os.environ, "PYTHONPATH": str(ROOT / "scripts")},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    drawn = json.loads(made)
    assert len(drawn) == 3
    for name, svg in drawn.items():
        written = (ROOT / "docs" / "images" / f"wiring-{name}.svg").read_text(encoding="utf-8")
        assert written == svg, "run: python scripts/wiring_drawings.py"


WIRED = [
    (page, number)
    for page in PAGES
    if page.name.startswith("wiring-")
    for number, block in enumerate(blocks(page, "yaml"))
    if block.startswith("ports:")
]


@pytest.mark.parametrize(("page", "number"), WIRED, ids=lambda value: getattr(value, "name", str(value)))
def test_ports_of_the_wiring_pages_are_those_of_the_board(page: Path, number: int) -> None:
    from harness.rigs.serial_board import Options

    ports = yaml.safe_load(blocks(page, "yaml")[number])["ports"]
    assert Options.model_validate({"adapter": "serial_board", "port": "x", "robots": ["r"], "ports": ports})
