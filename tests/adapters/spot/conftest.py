"""Every test of this folder speaks to a simulated Spot with these credentials."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import spot_peer


@pytest.fixture(autouse=True, scope="session")
def _credentials() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(spot_peer.USER_VARIABLE, spot_peer.USER)
        patch.setenv(spot_peer.PASSWORD_VARIABLE, spot_peer.PASSWORD)
        yield
