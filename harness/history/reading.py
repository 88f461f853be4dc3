"""Run folders of a reports folder, and what is taken from one into the history."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from harness.history.past import PastRequirement, PastRun, PastScenario
from harness.model import Verdict

RUN, RESULTS = "run.json", "results.json"
"""As harness.folder names them, which takes a second to import where a history takes a tenth to answer."""
MOST_BYTES = 32 << 20
"""A file that is larger is no file of a run folder, and is not read."""

# Of the host, what may explain a change; its hardware is the host class, its load is no setting.
_HOST = (
    "hostname",
    "system",
    "kernel",
    "preemption",
    "cpus_allowed",
    "cpus_isolated",
    "cpu_governor",
    "smt",
    "clock_source",
    "kernel_parameters",
    "rt_throttling",
    "container",
)


@dataclass(frozen=True)
class Found:
    """A run folder that has results: ``key`` is RIG/RUN; ``stamp``: changes whenever its results do."""

    key: str
    path: Path
    stamp: str


def run_folders(reports: Path) -> Iterator[Path]:
    """The run folders under ``reports`` (RIG/RUN, with a run.json or results), by name: those of a rig the
    oldest first, as names begin with the start. Folders that cannot be looked into are left out."""
    for rig in _folders(reports):
        yield from (run for run in _folders(rig) if (run / RUN).is_file() or (run / RESULTS).is_file())


def finished(reports: Path) -> Iterator[Found]:
    """Those of the run folders that have results. A look at each file's state; nothing is read."""
    for rig in _folders(reports):
        for run in _folders(rig):
            if (found := look(run)) is not None:
                yield found


def look(run: Path) -> Found | None:
    """The run folder ``run`` as it is now; None without results."""
    try:
        state = (run / RESULTS).stat()
    except OSError:
        return None
    return Found(f"{run.parent.name}/{run.name}", run, f"{state.st_mtime_ns}:{state.st_size}:{state.st_ino}")


def _folders(within: Path) -> list[Path]:
    try:
        return sorted(each for each in within.iterdir() if not each.name.startswith(".") and each.is_dir())
    except OSError:
        return []


def read_json(file: Path) -> dict[str, Any]:
    """The object in ``file``. Raises OSError, and ValueError for damage or a file beyond all measure."""
    if file.stat().st_size > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES >> 20} MiB")
    try:
        content = json.loads(file.read_bytes())
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(content, dict):
        raise ValueError("it holds no JSON object")
    return content


def read_run(folder: Path) -> PastRun:
    """What the history keeps of the run in ``folder``.

    Raises OSError, and ValueError for results that are damaged or not as this version writes them. run.json
    only adds to it: one that cannot be read leaves message types unknown.
    """
    results = read_json(folder / RESULTS)
    try:
        rig = read_json(folder / RUN)["rig"]["resolved"]
    except (OSError, ValueError, KeyError, TypeError):
        rig = {}
    try:
        return _past(folder, results, rig if isinstance(rig, dict) else {})
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not as this version writes it: {type(error).__name__}: {error}") from error


def _past(folder: Path, results: Mapping[str, Any], rig: Mapping[str, Any]) -> PastRun:
    provenance, environment = results["provenance"], results["environment"]
    host, git = environment.get("host") or {}, provenance.get("git") or {}
    overrides = tuple(str(each) for each in provenance.get("overrides") or ())
    sizes = {each["scenario"]: each.get("message_bytes") for each in results.get("floors") or ()}
    commit = str(git.get("commit") or "")
    return PastRun(
        path=folder,
        run_id=str(results["run_id"]),
        rig=str(results["rig"].get("name") or folder.parent.name),
        rig_hash=str(results["rig"].get("sha256") or provenance.get("rig_sha256") or ""),
        overrides=overrides,
        started=instant(results["started"]),
        ended=None if results["ended"] is None else instant(results["ended"]),
        verdict=Verdict(results["verdict"]),
        aborted=bool(results["aborted"]),
        simulated=bool(results["simulated"]),
        version=str(provenance.get("harness_version") or ""),
        commit=commit if commit.isalnum() else "",
        branch=str(git.get("branch") or ""),
        dirty=bool(git.get("dirty")),
        hostname=str(host.get("hostname") or ""),
        host_class=host_class(host),
        circumstances=_circumstances(results, host, git, overrides),
        requirements={str(each["id"]): _requirement(each) for each in results["requirements"]},
        scenarios={
            str(name): _scenario(str(name), each, rig, sizes.get(name))
            for name, each in results["scenarios"].items()
        },
    )


def instant(text: str) -> datetime:
    """An instant of results.json or run.json, in UTC; one that names no zone is in UTC. Raises ValueError."""
    parsed = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)


def host_class(host: Mapping[str, Any]) -> str:
    """The hardware in words: runs on hosts of the same class may be compared. ``""`` where nothing is known.

    Not the host's name: two machines of one make are one class. Not its settings: what they do is what one
    compares.
    """
    if not host.get("cpu_model"):
        return ""
    virtual = str(host.get("virtualisation", "")).startswith("virtual machine")
    return (
        f"{host['cpu_model']}, {host.get('cpus', '?')} CPUs, {host.get('architecture', '?')}"
        f"{', virtual machine' if virtual else ''}"
    )


def _circumstances(
    results: Mapping[str, Any], host: Mapping[str, Any], git: Mapping[str, Any], overrides: tuple[str, ...]
) -> dict[str, str]:
    provenance, environment = results["provenance"], results["environment"]
    found = {
        "commit": f"{git.get('commit') or ''}{' with changes' if git.get('dirty') else ''}",
        "rig file": str(results["rig"].get("sha256") or ""),
        "overrides": " ".join(overrides),
    }
    found |= {name: str(host[name]) for name in _HOST if name in host}
    found |= {name: str(value) for name, value in host.items() if name.startswith("env.")}
    found |= {f"versions.{name}": str(value) for name, value in (provenance.get("versions") or {}).items()}
    found |= {f"item.{name}": str(value) for name, value in (results["rig"].get("item") or {}).items()}
    found |= {f"realtime.{name}": str(value) for name, value in (environment.get("realtime") or {}).items()}
    for device, about in (environment.get("devices") or {}).items():
        found |= {f"{device}.{name}": str(value) for name, value in (about.get("identity") or {}).items()}
    return found


def _requirement(asked: Mapping[str, Any]) -> PastRequirement:
    return PastRequirement(
        id=str(asked["id"]),
        scenario=str(asked["scenario"]),
        verdict=Verdict(asked["verdict"]),
        quantity=str(asked["quantity"]),
        statistic=asked.get("statistic"),
        quantile=asked["quantile"],
        jitter=asked.get("jitter"),
        within_ms=asked.get("within_ms"),
        limit=float(asked["limit"]),
        limit_is=str(asked.get("limit_is", "upper")),
        unit=str(asked["unit"]),
        confidence=float(asked["confidence"]),
        n=int(asked["n"]),
        exceedances=int(asked["exceedances"]),
        estimate=asked["estimate"],
        lower_bound=asked["lower_bound"],
        upper_bound=asked["upper_bound"],
        uncertainty=asked.get("uncertainty"),
        pass_threshold=asked.get("pass_threshold"),
        headroom=asked["headroom"],
        time=str(asked.get("time", "wall")),
    )


def _scenario(
    name: str, measured: Mapping[str, Any], rig: Mapping[str, Any], size: int | None
) -> PastScenario:
    schedule, latency = measured["schedule"], measured["latency_ms"]
    return PastScenario(
        name=name,
        kind=str(measured["kind"]),
        stimulus=str(measured["stimulus"]),
        response=str(measured["response"]),
        match=str(measured["match"]),
        arrival_is=str(measured["arrival_is"]),
        schedule=schedule_words(schedule),
        rate_hz=schedule.get("rate_hz"),
        message=_type(rig, str(measured["stimulus"]), "stimulus"),
        answer=_type(rig, str(measured["response"]), "response"),
        message_bytes=size,
        sent=int(measured["sent"]),
        answered=int(measured["answered"]),
        lost=int(measured["lost"]),
        skipped=int(measured["skipped"]),
        n=int(latency["n"]),
        mean_ms=latency.get("mean"),
        sd_ms=latency.get("sd"),
        min_ms=latency.get("min"),
        p50_ms=latency.get("p50"),
        p90_ms=latency.get("p90"),
        p99_ms=latency.get("p99"),
        p99_9_ms=latency.get("p99_9"),
        max_ms=latency.get("max"),
        lateness_p99_ms=measured["lateness_ms"].get("p99"),
    )


def schedule_words(schedule: Mapping[str, Any]) -> str:
    """When stimuli are due, in words: what of a schedule bears on a latency. How many there are, the warm-up
    and the seed do not."""
    kind = str(schedule.get("kind", ""))
    if kind == "paced":
        return f"paced at {schedule['rate_hz']:g} Hz{', periodic' if schedule.get('periodic') else ''}"
    if kind == "replay":
        return (
            f"replay of {schedule.get('bag')} {schedule.get('topic')} at {schedule.get('speed', 1.0):g} times"
            f" its speed, from {schedule.get('from_s', 0.0):g} s"
        )
    if kind == "trials":
        low, high = schedule.get("dwell_ms") or (0.0, 0.0)
        return (
            f"trials after {schedule.get('quiet_ms', 0.0):g} ms of rest"
            f"{' not waited for' if schedule.get('rest') == 'none' else ''} and {low:g} to {high:g} ms"
        )
    return kind


def _type(rig: Mapping[str, Any], port: str, way: str) -> str:
    """The message type of ``device.port``, else its adapter; ``""`` where neither is known."""
    device, _, name = port.partition(".")
    try:
        about = rig["devices"][device]
        declared = (about["ports"].get(name) or {}).get(way) or {}
        return str(declared.get("type") or about.get("adapter") or "")
    except (KeyError, TypeError, AttributeError):
        return ""
