"""How long ago, as people write it: ``7d``, ``12h``, ``2w``, ``90min``; or a date, or an instant."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from harness.errors import ConfigurationError

_UNITS = {"min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def age(text: str, option: str) -> timedelta:
    """``7d``, ``12h``, ``2w``, ``90min`` as a duration. Raises ConfigurationError that names ``option``."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(min|h|d|w)\s*", text)
    try:
        if found is None:
            raise ValueError
        return timedelta(seconds=float(found[1]) * _UNITS[found[2]])
    except (ValueError, OverflowError):
        raise ConfigurationError(
            f"{option} {text!r} is no duration", hint="write it like 30d, 12h, 2w or 90min"
        ) from None


def since(text: str, option: str, now: datetime | None = None) -> datetime:
    """The instant so long ago, or the one that ``text`` names (ISO 8601, in UTC without a zone).

    Raises ConfigurationError that names ``option``.
    """
    try:
        when = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        pass
    else:
        return when.replace(tzinfo=timezone.utc) if when.tzinfo is None else when
    try:
        return (now or datetime.now(timezone.utc)) - age(text, option)
    except ConfigurationError:
        raise ConfigurationError(
            f"{option} {text!r} is neither a duration nor a date",
            hint="write it like 7d, 12h, 2w, 2026-01-31 or 2026-01-31T12:00:00Z",
        ) from None
    except OverflowError:
        return datetime.min.replace(tzinfo=timezone.utc)
