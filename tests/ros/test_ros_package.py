"""The ROS 2 package: what colcon and pip make of it. Needs no ROS."""

from __future__ import annotations

import ast
import re
import stat
import sys
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from ros_package import ROOT, Installed, copy_of_the_sources, environment_of, run

from harness import __version__, cli

LAUNCH_FILE = ROOT / "launch" / "rig.launch.py"
SWARM_FILE = ROOT / "launch" / "swarm.launch.py"
RIGS = sorted(path.name for path in (ROOT / "rig_configs").glob("*.yaml"))


def declared(key: str) -> str:
    found = re.search(rf'^{key} = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert found
    return found[1]


def test_package_xml_describes_the_same_package_as_pyproject():
    package = ElementTree.parse(ROOT / "package.xml").getroot()
    assert (package.tag, package.get("format")) == ("package", "3")
    assert package.findtext("name") == "harness"
    assert package.findtext("version") == declared("version") == __version__
    assert package.findtext("description") == declared("description")
    assert package.findtext("license") == "Apache-2.0"
    assert package.findtext("export/build_type") == "ament_python"
    (maintainer,) = package.findall("maintainer")
    assert maintainer.text and "@" in maintainer.get("email", "")
    depends = [element.text for element in package.findall("exec_depend")]
    assert depends == sorted(set(depends)) and {"launch", "rclpy", "ros2launch"} <= set(depends)


def test_every_message_package_that_the_harness_imports_is_a_dependency():
    text = (ROOT / "package.xml").read_text()
    imported = {
        found
        for path in (ROOT / "harness").rglob("*.py")
        for found in re.findall(r"^\s*from (\w+_msgs|builtin_interfaces)\.", path.read_text(), re.MULTILINE)
    }
    assert imported and {name for name in imported if f"<exec_depend>{name}<" not in text} == set()


@pytest.mark.parametrize("file", [LAUNCH_FILE, SWARM_FILE], ids=["rig", "swarm"])
def test_the_launch_file_needs_launch_alone(file):
    allowed = {"launch", *sys.stdlib_module_names}
    for node in ast.walk(ast.parse(file.read_text(), str(file))):
        if isinstance(node, ast.Import):
            assert {alias.name.partition(".")[0] for alias in node.names} <= allowed
        elif isinstance(node, ast.ImportFrom):
            assert node.module and node.module.partition(".")[0] in allowed


def test_every_option_that_the_launch_file_passes_is_one_of_the_command():
    known = {word for parameter in cli.run.params for word in parameter.opts}
    passed = set(re.findall(r'"(--[a-z-]+)', LAUNCH_FILE.read_text())) | set(
        re.findall(r'f"(--[a-z-]+)=', LAUNCH_FILE.read_text())
    )
    assert {"--samples", "--set", "--arm", "--confirm-area-clear", "--namespace"} <= passed - {"--"}
    assert passed - {"--"} <= known


def test_the_page_has_every_argument():
    names = {"rig", "namespace", "stop_timeout"}
    for node in ast.parse(LAUNCH_FILE.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ("TEXTS", "LISTS", "SWITCHES"):
            names |= set(ast.literal_eval(node.value))
    page = (ROOT / "docs" / "ros2-launch.md").read_text().partition("\n## A swarm\n")[0]
    rows = " ".join(re.findall(r"^\| (`[a-z_]+:=.*?) \|", page, re.MULTILINE))
    assert set(re.findall(r"`([a-z_]+):=", rows)) == names


def test_the_swarms_arguments_are_options_of_the_swarm_and_on_the_page():
    names, flags = {"rig"}, []
    for node in ast.parse(SWARM_FILE.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ("VALUES", "SWITCHES"):
            table = ast.literal_eval(node.value)
            names |= set(table)
            flags += [next(word for word in told if word.startswith("--")) for told in table.values()]
    known = (ROOT / "harness" / "sim" / "swarm" / "options.py").read_text()
    assert flags and [flag for flag in flags if f'"{flag}"' not in known] == []
    page = (ROOT / "docs" / "ros2-launch.md").read_text().partition("| argument of `swarm.launch.py`")[2]
    rows = " ".join(re.findall(r"^\| (`[a-z_]+:=.*?) \|", page.partition("\n## ")[0], re.MULTILINE))
    assert set(re.findall(r"`([a-z_]+):=", rows)) == names


@pytest.mark.slow
def test_the_wheel_has_what_ros2_looks_for(installed: Installed):
    with zipfile.ZipFile(installed.wheel) as wheel:
        modes = {
            info.filename.partition(".data/data/")[2]: info.external_attr >> 16 for info in wheel.infolist()
        }
        assert "performance_budget.py" in wheel.namelist()
    modes.pop("")
    share = {f"share/harness/rig_configs/{name}" for name in RIGS}
    worlds = (ROOT / "rig_configs" / "gazebo").glob("*.sdf")
    share |= {f"share/harness/rig_configs/gazebo/{path.name}" for path in worlds}
    share |= {f"share/harness/budgets/{path.name}" for path in (ROOT / "budgets").glob("*.yaml")}
    assert set(modes) == share | {
        "share/ament_index/resource_index/packages/harness",
        "share/harness/package.xml",
        "share/harness/launch/rig.launch.py",
        "share/harness/launch/swarm.launch.py",
        "lib/harness/harness",
    }
    assert modes["lib/harness/harness"] & stat.S_IXUSR
    # `ros2 launch harness rig.launch.py` refuses a name that is there twice.
    assert len(list((installed.prefix / "share" / "harness").rglob("rig.launch.py"))) == 1


@pytest.mark.slow
@pytest.mark.parametrize("program", ["bin/harness", "lib/harness/harness"])
@pytest.mark.parametrize("announced", [True, False])
def test_rigs_are_found_by_name_from_any_folder(installed: Installed, tmp_path, program, announced):
    env = {**installed.environment, "COLUMNS": "400"}
    if not announced:
        del env["AMENT_PREFIX_PATH"]
    listed = run(installed.prefix / program, "list", cwd=tmp_path, env=env)
    for name in RIGS:
        assert f"{installed.prefix}/share/harness/rig_configs/{name}" in listed
    checked = run(installed.prefix / program, "check", "loopback", cwd=tmp_path, env=env)
    assert "ready; nothing was started" in checked


@pytest.mark.slow
def test_what_is_nearer_comes_before_what_is_installed(installed: Installed, tmp_path):
    (tmp_path / "rig_configs").mkdir()
    text = (ROOT / "rig_configs" / "loopback.yaml").read_text()
    (tmp_path / "rig_configs" / "loopback.yaml").write_text(
        text.replace("The harness against", "Mine against")
    )
    listed = run(installed.prefix / "bin" / "harness", "list", cwd=tmp_path, env=installed.environment)
    assert "Mine against" in listed and "The harness against" not in listed


LINKED = ("setup.py", "setup.cfg", "package.xml", "harness", "performance_budget.py", "launch", "resource",
          "rig_configs", "budgets")  # fmt: skip
AS_COLCON = """
import ast
from distutils.core import run_setup
import setuptools
dist = run_setup("setup.py", script_args=["--dry-run"], stop_after="config")
keys = "name version python_requires packages data_files install_requires entry_points".split()
for key, value in {**vars(dist), **vars(dist.metadata)}.items():
    if key in keys:
        assert ast.literal_eval(repr(value)) == value, key
        print(key, value)
"""


@pytest.mark.slow
def test_colcon_finds_literals_only(tmp_path):
    source = copy_of_the_sources(tmp_path / "source")
    told = run(sys.executable, "-W", "ignore", "-c", AS_COLCON, cwd=source)
    assert "python_requires >=3.10" in told and "name hil-latency-harness" in told


@pytest.mark.slow
@pytest.mark.parametrize("linked", [False, True], ids=["copied", "linked"])
def test_an_ament_python_install_has_its_layout(tmp_path, linked):
    """What `colcon build` runs, and the folder of links, without pyproject.toml, of `--symlink-install`."""
    source = copy_of_the_sources(tmp_path / "source")
    folder = source
    if linked:
        folder = tmp_path / "build"
        folder.mkdir()
        for name in LINKED:
            (folder / name).symlink_to(source / name)
    prefix = tmp_path / "install" / "harness"
    run(sys.executable, "-W", "ignore", "setup.py", "-q", "install", "--prefix", prefix, "--no-compile",
        "--single-version-externally-managed", "--record", tmp_path / "record", cwd=folder)  # fmt: skip
    for name in ("package.xml", "launch/rig.launch.py", *(f"rig_configs/{rig}" for rig in RIGS)):
        assert (prefix / "share" / "harness" / name).is_file(), name
    marker = prefix / "share" / "ament_index" / "resource_index" / "packages" / "harness"
    assert marker.read_text() == ""
    assert not (prefix / "bin").exists()
    command = prefix / "lib" / "harness" / "harness"
    told = run(command, "--version", cwd=tmp_path, env=environment_of(prefix))
    assert told == f"harness, version {__version__}\n"
