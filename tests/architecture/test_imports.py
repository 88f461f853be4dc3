"""The layout rules of docs/design.md, read from the imports, and what must not be in a tracked file.

Every check is a function of a tree, so that the tests at the end can plant a violation and see it caught.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAX_LINES = 400

# Right of the seam: files in, files out.
PURE = ("harness/analysis/", "harness/report/", "harness/history/", "harness/compare/")
LEFT_OF_THE_SEAM = (
    "harness.adapters",
    "harness.rigs",
    "harness.scenarios",
    "harness.runner",
    "harness.bench",
    "harness.schedule",
    "harness.guardian",
    "harness.journal",
    "harness.processes",
    "harness.ros",
    "harness.sim",
)
# A vendor's library is imported by whoever owns it, and by nobody else.
OWNERS = {
    "rclpy": ("harness/adapters/ros2", "harness/adapters/gazebo", "harness/ros/", "harness/sim/"),
    "bosdyn": ("harness/adapters/spot", "harness/sim/"),
    "gz": ("harness/adapters/gazebo", "harness/sim/"),
    "serial": ("harness/rigs/", "harness/sim/"),
    "gpiod": ("harness/rigs/", "harness/sim/"),
    "mujoco": ("harness/sim/",),
    "opentelemetry": ("harness/telemetry/",),
    "prometheus_client": ("harness/telemetry/",),
    "starlette": ("harness/telemetry/page/",),
    "uvicorn": ("harness/telemetry/page/",),
    "pynvml": ("harness/telemetry/",),
    "grafana_foundation_sdk": ("harness/telemetry/dashboards/",),
}
VENDORS_OF_ROS = (
    "rcl_interfaces",
    "rosidl_runtime_py",
    "rosidl_parser",
    "rosidl_generator_py",
    "rpyutils",
    "geometry_msgs",
    "nav_msgs",
    "sensor_msgs",
    "std_msgs",
    "builtin_interfaces",
    "diagnostic_msgs",
    "std_srvs",
)
OWNERS.update(dict.fromkeys(VENDORS_OF_ROS, OWNERS["rclpy"]))


@dataclass(frozen=True)
class Import:
    """One imported module: by which file, on which line."""

    path: str
    line: int
    module: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} imports {self.module}"


def sources(root: Path) -> list[Path]:
    """The Python files that are checked: the package and the one-line import beside it."""
    return sorted((root / "harness").rglob("*.py")) + sorted(root.glob("performance_budget.py"))


def imports(root: Path) -> list[Import]:
    """Every import, wherever it stands in its file: lazy ones and those for type checkers as well."""
    return [found for path in sources(root) for found in _imports(root, path)]


def _imports(root: Path, path: Path) -> Iterator[Import]:
    name = path.relative_to(root).as_posix()
    package = path.relative_to(root).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), name)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(name, node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            # `from harness import runner` imports a module as well as a name.
            for alias in node.names:
                yield Import(name, node.lineno, f"{module}.{alias.name}")
        elif (
            isinstance(node, ast.Call)
            and (ast.unparse(node.func) in ("importlib.import_module", "import_module", "__import__"))
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            yield Import(name, node.lineno, str(node.args[0].value))


def within(module: str, *packages: str) -> bool:
    """Whether ``module`` is one of ``packages`` or inside one."""
    return any(module == package or module.startswith(package + ".") for package in packages)


def pure_parts(root: Path) -> list[str]:
    """Imports of analysis/, report/, history/ and compare/ from left of the seam."""
    return [
        str(each)
        for each in imports(root)
        if each.path.startswith(PURE) and within(each.module, *LEFT_OF_THE_SEAM)
    ]


def model_alone(root: Path) -> list[str]:
    """Imports of model.py from the package."""
    found = [each for each in imports(root) if each.path == "harness/model.py"]
    return [str(each) for each in found if within(each.module, "harness")]


def vendors_at_home(root: Path) -> list[str]:
    """Imports of a vendor's library outside the folder that owns it."""
    found = []
    for each in imports(root):
        top = each.module.partition(".")[0]
        if top in OWNERS and not each.path.startswith(OWNERS[top]):
            found.append(f"{each}, which belongs to {', '.join(OWNERS[top])}")
    return found


def nobody_imports_sim(root: Path) -> list[str]:
    """Imports of harness.sim from outside it."""
    return [
        str(each)
        for each in imports(root)
        if within(each.module, "harness.sim") and not each.path.startswith("harness/sim/")
    ]


def readable_modules(root: Path) -> list[str]:
    """Modules too long to be read in one sitting."""
    lengths = [(path, len(path.read_text(encoding="utf-8").splitlines())) for path in sources(root)]
    return [f"{path.relative_to(root)}: {lines} lines" for path, lines in lengths if lines > MAX_LINES]


# Assembled, so that this file is not its own violation.
MACHINE_PATHS = re.compile(
    "|".join([r"(?<![\w./~$-])/" + top + r"/(?!\.\.\.)[\w.-]+" for top in ("home", "root", "work", "Users")])
)
REGISTRY_ADDRESSES = re.compile(
    "|".join(
        [
            "extra-" + "index-url",
            "--" + "index-url",
            "--" + "find-links",
            "trusted-" + "host",
            "files" + r"\.pythonhosted\.org",
            "pypi" + r"\.org/simple",
        ]
    )
)


def tracked(root: Path) -> list[Path]:
    """The files in git, those that are text."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True).stdout
    names = [root / name for name in listed.decode().split("\0") if name]
    return [path for path in names if path.is_file() and b"\0" not in path.read_bytes()[:4096]]


def _lines(root: Path, pattern: re.Pattern[str]) -> list[str]:
    found = []
    for path in tracked(root):
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if match := pattern.search(line):
                found.append(f"{path.relative_to(root)}:{number} has {match.group()!r}")
    return found


def no_machine_paths(root: Path) -> list[str]:
    """Absolute paths of somebody's machine."""
    return _lines(root, MACHINE_PATHS)


def no_registry_addresses(root: Path) -> list[str]:
    """Addresses of package registries: what is installed is named, where from is the user's business."""
    return _lines(root, REGISTRY_ADDRESSES)


CHECKS: list[Callable[[Path], list[str]]] = [
    pure_parts,
    model_alone,
    vendors_at_home,
    nobody_imports_sim,
    readable_modules,
    no_machine_paths,
    no_registry_addresses,
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_project_keeps_to_its_layout(check: Callable[[Path], list[str]]) -> None:
    assert sources(ROOT), "no sources found: the check looks in the wrong place"
    assert check(ROOT) == []


PLANTED = [
    (pure_parts, "harness/analysis/matching.py", "from harness.runner import run_rig"),
    (pure_parts, "harness/report/pdf.py", "def f():\n    from harness import adapters"),
    (pure_parts, "harness/report/parts/page.py", "from ...scenarios import driver"),
    (model_alone, "harness/model.py", "from harness.errors import HarnessError"),
    (model_alone, "harness/model.py", "from . import clock"),
    (vendors_at_home, "harness/runner.py", "def f():\n    import rclpy.node"),
    (
        vendors_at_home,
        "harness/adapters/loopback/device.py",
        "import importlib\nimportlib.import_module('bosdyn')",
    ),
    (vendors_at_home, "harness/adapters/ros2/device.py", "import mujoco"),
    (vendors_at_home, "harness/scenarios/a.py", "from geometry_msgs.msg import TwistStamped"),
    (vendors_at_home, "harness/cli.py", "def f():\n    from std_srvs.srv import Trigger"),
    (vendors_at_home, "harness/progress.py", "from diagnostic_msgs.msg import DiagnosticArray"),
    (nobody_imports_sim, "harness/cli.py", "from harness.sim import diff_drive"),
    (nobody_imports_sim, "harness/testing/x.py", "import harness.sim.loopback_robot"),
    (readable_modules, "harness/long.py", "x = 1\n" * (MAX_LINES + 1)),
    (no_machine_paths, "docs/x.md", "see /" + "home/jane/harness"),
    (no_machine_paths, "harness/x.py", "P = '/" + "work/main'"),
    (no_registry_addresses, "constraints.txt", "--extra-" + "index-url https://example.org\n"),
]


@pytest.mark.parametrize(("check", "name", "text"), PLANTED)
def test_a_planted_violation_is_caught(
    tmp_path: Path, check: Callable[[Path], list[str]], name: str, text: str
) -> None:
    (tmp_path / "harness").mkdir()
    (tmp_path / "harness" / "clean.py").write_text("import numpy\nfrom harness.model import Verdict\n")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    assert check(tmp_path) == []
    planted = tmp_path / name
    planted.parent.mkdir(parents=True, exist_ok=True)
    planted.write_text(text)
    subprocess.run(["git", "add", "-A"], cwd=tmp_path, check=True)
    found = check(tmp_path)
    assert len(found) == 1
    assert name in found[0]


def test_what_is_allowed_is_not_reported(tmp_path: Path) -> None:
    for name, text in {
        "harness/analysis/a.py": "import numpy\nfrom harness.config.schema import Match\n",
        "harness/adapters/ros2/vendor.py": "def f():\n    import rclpy\n",
        "harness/sim/robot.py": "import mujoco\nimport rclpy\nfrom harness.sim import x\n",
        "harness/model.py": "import enum\nimport numpy as np\n",
        "docs/y.md": "runs in /tmp and ~/src/x; reports/RIG/home/x; https://example.org/home/x\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "-A"], cwd=tmp_path, check=True)
    for check in CHECKS:
        assert check(tmp_path) == [], check.__name__
