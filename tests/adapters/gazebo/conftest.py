"""Tests of the adapter ``gazebo``: with the double of the bindings, and with the real simulator."""

from __future__ import annotations

import contextlib
import importlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.adapters.gazebo import messages, vendor
from harness.testing.gazebo_double import FOLDER, write_package


def _forget() -> None:
    """What was loaded of Gazebo, in this process."""
    for name in [one for one in sys.modules if one == "gz" or one.startswith("gz.")]:
        del sys.modules[name]
    importlib.invalidate_caches()
    vendor.load.cache_clear()
    for each in (messages.message_class, messages._modules, messages._known):
        each.cache_clear()


@contextlib.contextmanager
def _double() -> Iterator[Path]:
    before = {name: one for name, one in sys.modules.items() if name == "gz" or name.startswith("gz.")}
    # Below /tmp itself: the path of a Unix socket has room for 107 characters.
    with (
        tempfile.TemporaryDirectory(prefix="gzd-", dir="/tmp") as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        place = write_package(Path(folder) / "py")
        patch.setenv(FOLDER, folder)
        patch.setenv("PYTHONPATH", str(place), prepend=":")
        patch.syspath_prepend(str(place))
        _forget()
        try:
            yield Path(folder)
        finally:
            patch.undo()
            _forget()
            sys.modules.update(before)


@pytest.fixture(scope="module")
def double() -> Iterator[Path]:
    """The double in place of Gazebo's bindings, here and in child processes; its folder."""
    with _double() as folder:
        yield folder
