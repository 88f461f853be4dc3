"""All checks in order; one that breaks is a finding of its own and never the end of the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.doctor import clocks, dds, kernel, limits, load, network, storage
from harness.doctor.need import Need, of_rig
from harness.doctor.result import Check, Health
from harness.doctor.roots import Roots

if TYPE_CHECKING:
    from harness.config import LoadedRig

SAMPLE_S = 1.0
"""How far apart the two samples of steal time and throttling are: a hundred ticks of each CPU."""
FAST_SAMPLE_S = 0.1
FAST_QUERY_S = 0.1

Reader = Callable[[Roots, Need], Check | list[Check]]


def examine(
    roots: Roots | None = None,
    need: Need | None = None,
    *,
    sample_s: float = SAMPLE_S,
    query_s: float = clocks.QUERY_S,
    sleep: Callable[[float], object] = time.sleep,
) -> list[Check]:
    """Every check of the host, in a fixed order. Takes ``sample_s`` or little more; changes nothing.

    ``query_s`` bounds each question to a time-sync daemon. Never raises: a check that breaks is in the list
    as a warning that says so.
    """
    roots, need = roots or Roots(), need or Need()
    started, before = time.monotonic(), load.sample(roots)
    readers: list[Reader] = [
        *kernel.CHECKS,
        *limits.CHECKS,
        clocks.clock_source,
        clocks.clock_stability,
        partial(clocks.time_sync, timeout_s=query_s),
        *dds.CHECKS,
        *network.CHECKS,
        *storage.CHECKS,
        *load.CHECKS,
    ]
    found = [check for reader in readers for check in _read(reader, roots, need)]
    sleep(max(0.0, sample_s - (time.monotonic() - started)))
    after = load.sample(roots)
    for sampled in load.SAMPLED:
        found += _read(partial(sampled, before=before, after=after), roots, need)
    return found


def host_report(need: Need | None = None) -> list[dict[str, str]]:
    """The same, fast: well under half a second. For ``doctor`` in run.json.

    Each entry has ``name``, ``severity`` (ok, info, warning, error), ``value``, ``why`` and ``remedy``.
    """
    checks = examine(need=need, sample_s=FAST_SAMPLE_S, query_s=FAST_QUERY_S)
    return [check.as_dict() for check in checks]


def rig_report(loaded: LoadedRig) -> list[dict[str, str]]:
    """:func:`host_report` for what that rig asks of its host. Never raises: a run goes on without it."""
    try:
        return host_report(of_rig(loaded))
    except Exception as error:
        failed = f"could not be carried out: {type(error).__name__}: {error}"
        why = "What is not known of the host may still cost latency."
        return [Check("host preflight", Health.WARNING, failed, why, "harness doctor").as_dict()]


def _read(reader: Reader, roots: Roots, need: Need) -> Iterable[Check]:
    try:
        found = reader(roots, need)
    except Exception as error:  # a strange host must not hide what the other checks know
        return [
            Check(
                _name(reader),
                Health.WARNING,
                f"could not be checked: {type(error).__name__}: {error}",
                "What is not known may still cost latency.",
                "harness doctor --json  # and send its output to the project",
            )
        ]
    return found if isinstance(found, list) else [found]


def _name(reader: Any) -> str:
    function = reader.func if isinstance(reader, partial) else reader
    return str(function.__name__).replace("_", " ")
