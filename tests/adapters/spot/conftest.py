"""Every test of this folder speaks to a simulated Spot with these credentials."""

from __future__ import annotations

import pytest
import spot_peer


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(spot_peer.USER_VARIABLE, spot_peer.USER)
    monkeypatch.setenv(spot_peer.PASSWORD_VARIABLE, spot_peer.PASSWORD)
