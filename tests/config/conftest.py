from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness import adapters


@pytest.fixture(autouse=True)
def bench_adapter() -> Iterator[None]:
    """Registers the adapter of config_bench beside the real ones."""
    with pytest.MonkeyPatch.context() as patch:
        entry = adapters.Entry("config_bench:Device", "config_bench:Options")
        patch.setitem(adapters.BUILTIN, "bench", entry)
        yield
