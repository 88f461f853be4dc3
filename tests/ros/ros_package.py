"""The package as an installation has it: built from a copy, installed under a prefix of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PARTS = (
    "pyproject.toml",
    "setup.py",
    "setup.cfg",
    "MANIFEST.in",
    "package.xml",
    "README.md",
    "LICENSE",
    "performance_budget.py",
)
FOLDERS = ("harness", "launch", "resource", "rig_configs", "budgets")


@dataclass(frozen=True)
class Installed:
    """A prefix with the wheel in it. ``environment`` announces it, as sourcing a workspace does."""

    wheel: Path
    prefix: Path
    environment: dict[str, str]


def copy_of_the_sources(target: Path) -> Path:
    target.mkdir()
    for name in PARTS:
        shutil.copy2(ROOT / name, target / name)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    return target


def run(*words: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [str(word) for word in words],
        check=False,
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environment_of(prefix: Path) -> dict[str, str]:
    (packages,) = prefix.glob("lib/python3*/site-packages")
    others = os.environ.get("AMENT_PREFIX_PATH")
    return {
        **os.environ,
        "PYTHONPATH": str(packages),
        "AMENT_PREFIX_PATH": os.pathsep.join([str(prefix), *([others] if others else [])]),
    }


def install(folder: Path) -> Installed:
    source = copy_of_the_sources(folder / "source")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-q")
    # From the source distribution, as an index would serve it: what is missing there is missing everywhere.
    build = "import sys, setuptools.build_meta as backend; backend.build_sdist(sys.argv[1])"
    run(sys.executable, "-W", "ignore", "-c", build, folder / "sdist", cwd=source)
    (archive,) = (folder / "sdist").glob("*.tar.gz")
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", folder / "dist", archive, cwd=folder)
    (wheel,) = (folder / "dist").glob("*.whl")
    prefix = folder / "prefix"
    # pip's own settings may name indexes that cannot be reached: none is needed.
    run(*pip, "install", "--no-deps", "--no-index", "--ignore-installed", "--no-warn-script-location",
        "--no-compile", "--prefix", prefix, wheel, cwd=folder)  # fmt: skip
    return Installed(wheel, prefix, environment_of(prefix))
