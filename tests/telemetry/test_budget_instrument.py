"""A module, a package or a class measured by one call."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from harness.errors import ConfigurationError, UnavailableError
from harness.telemetry.budget import Budgets

FILES = {
    "__init__.py": "from .deep.inner import helper\n",
    "main.py": """
from os.path import join
from .deep.inner import helper
import functools

def outer(a):
    return helper(a) + 1

async def asked():
    return 1

def logged(function):
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args)
    return wrapper

@logged
def decorated():
    return 5

class Robot:
    limit = 3
    def __init__(self, name):
        self.name = name
    def move(self):
        return self.name
    def _hidden(self):
        return 0
    @staticmethod
    def twice(x):
        return 2 * x
    @classmethod
    def make(cls):
        return cls("made")
    @property
    def size(self):
        return 7
    class Part:
        def turn(self):
            return "turned"
""",
    "deep/__init__.py": "",
    "deep/inner.py": "def helper(a):\n    return 2 * a\n\ndef unused():\n    return None\n",
    "__main__.py": "raise SystemExit('a program, not to be run')\n",
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    for name, text in FILES.items():
        path = tmp_path / "sample_pkg" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("sample_pkg")
    for name in [name for name in sys.modules if name.split(".")[0] == "sample_pkg"]:
        del sys.modules[name]


EVERYTHING = [
    "sample_pkg.deep.inner.helper",
    "sample_pkg.deep.inner.unused",
    "sample_pkg.main.Robot.Part.turn",
    "sample_pkg.main.Robot._hidden",
    "sample_pkg.main.Robot.make",
    "sample_pkg.main.Robot.move",
    "sample_pkg.main.Robot.twice",
    "sample_pkg.main.asked",
    "sample_pkg.main.decorated",
    "sample_pkg.main.logged",
    "sample_pkg.main.outer",
]


def test_every_function_of_a_package_is_measured_and_does_what_it_did(package: ModuleType) -> None:
    budgets = Budgets(reports=None)
    assert budgets.instrument(package) == EVERYTHING
    from sample_pkg import main  # type: ignore[import-not-found]

    robot = main.Robot.make()
    assert (robot.move(), robot.twice(4), main.Robot.Part().turn(), robot.size) == ("made", 8, "turned", 7)
    assert main.outer(3) == 7 and package.helper(1) == 2 and main.decorated() == 5
    found = budgets.results()
    assert {line.limits.name: line.n for line in found.lines if line.n} == {
        "sample_pkg.deep.inner.helper": 2,  # also by the names that others had imported it under
        "sample_pkg.main.Robot.Part.turn": 1,
        "sample_pkg.main.Robot.make": 1,
        "sample_pkg.main.Robot.move": 1,
        "sample_pkg.main.Robot.twice": 1,
        "sample_pkg.main.decorated": 1,
        "sample_pkg.main.outer": 1,
    }
    # What is measured already is left as it is, and that there is nothing to do is said.
    with pytest.raises(ConfigurationError, match="not measured already"):
        budgets.instrument("sample_pkg")


@pytest.mark.parametrize(
    ("include", "exclude", "names"),
    [
        (["*.Robot.*"], ["*.Part.*"], EVERYTHING[3:7]),
        (["outer", "helper"], [], ["sample_pkg.deep.inner.helper", "sample_pkg.main.outer"]),
        (["*"], ["_*", "sample_pkg.main.*"], EVERYTHING[:2]),
        (["*.__init__"], [], ["sample_pkg.main.Robot.__init__"]),
    ],
)
def test_includes_and_excludes(
    package: ModuleType, include: list[str], exclude: list[str], names: list[str]
) -> None:
    assert Budgets(reports=None).instrument("sample_pkg", include=include, exclude=exclude) == names


def test_one_module_and_one_class(package: ModuleType) -> None:
    budgets = Budgets(reports=None)
    assert budgets.instrument("sample_pkg.deep.inner", pillar="robotics") == EVERYTHING[:2]
    from sample_pkg.main import Robot  # type: ignore[import-not-found]

    assert budgets.instrument(Robot, nest=True) == EVERYTHING[2:7]
    assert Robot("x").move() == "x"
    assert budgets.results()["sample_pkg.deep.inner.helper"].limits.pillar == "robotics"


def test_what_is_not_there_is_told(package: ModuleType) -> None:
    with pytest.raises(UnavailableError, match="'sample_pkgs' cannot be imported"):
        Budgets(reports=None).instrument("sample_pkgs")
    with pytest.raises(ConfigurationError, match=r"no function that fits include=\['nothing'\]"):
        Budgets(reports=None).instrument("sample_pkg", include=["nothing"])


def test_budgets_of_a_file_hold_for_instrumented_functions(package: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "b.yaml"
    file.write_text("pillar: mine\nbudgets:\n  sample_pkg.main.outer: {text: outer, unit: ms, upper: 1000}\n")
    budgets = Budgets(reports=None)
    budgets.load(file)
    budgets.instrument("sample_pkg")
    from sample_pkg import main  # type: ignore[import-not-found]

    for number in range(30):
        main.outer(number)
    assert budgets.results()["sample_pkg.main.outer"].judged[0].n == 30
