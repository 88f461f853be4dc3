"""What the fault tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True, scope="module")
def locks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Locks of this module's runs: rigs are locked machine-wide, and other tests use the same names."""
    folder = tmp_path_factory.mktemp("locks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_LOCK_DIR", str(folder))
        patch.delenv("GITHUB_STEP_SUMMARY", raising=False)
        yield folder
