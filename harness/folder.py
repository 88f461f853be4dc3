"""The run folder: what a run writes while it goes on, and what everything after it reads.

``docs/run-folder.md`` lists its files. The raw tables are read from the journal while there is one, and from
the Parquet files afterwards, so that a live, a crashed and a finished run look the same to a reader.
"""

from __future__ import annotations

import json
import re
import shutil
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from harness import __version__
from harness.atomic import SUFFIX as TEMPORARY
from harness.atomic import sync_folder, to_json, write_text
from harness.bags.convert import drop_spools, finalise_bag
from harness.clock import HostClock
from harness.errors import ConfigurationError, RecordingError
from harness.eventlog import EventLog, read_events
from harness.hostfile import HOST, host_of, wait_for_host, write_host
from harness.hosttable import HostTable
from harness.journal import SUFFIX, TableWriter, is_being_written, read_table
from harness.model import (
    CLOCK_DTYPE,
    HOST_DTYPE,
    NO_STAMP,
    OBSERVATION_DTYPE,
    SAMPLE_DTYPE,
    SCHEMA_VERSION,
    STIMULUS_DTYPE,
)
from harness.parquet import Labels, Records, file_sha256, read_labelled, read_records, write_records
from harness.retained import missing

RUN, EVENTS, JOURNAL, PROCESSES = "run.json", "events.jsonl", "journal", "processes"
SAMPLES = "samples.parquet"
PARTS = "parts"
"""Folder of the earlier parts of a resumed series, `NUMBER_RUN-ID` each."""
RAW = {
    "stimuli.parquet": STIMULUS_DTYPE,
    "observations.parquet": OBSERVATION_DTYPE,
    "clocks.parquet": CLOCK_DTYPE,
}
_OBSERVATIONS = "observations."
_OWN = {"stimuli": STIMULUS_DTYPE, "clocks": CLOCK_DTYPE, "pauses": HOST_DTYPE}
_DONE = ".journal-done"


class RunFolder:
    """One run's folder. Make a new one with :meth:`create`, look at an existing one with :meth:`open`."""

    def __init__(self, path: Path, run: dict[str, Any], clock: HostClock | None = None) -> None:
        self.path = path
        self.run = run
        """The content of run.json."""
        self._events = EventLog(path / EVENTS, clock or HostClock())
        self._tables: list[TableWriter] = []

    @classmethod
    def create(
        cls, root: Path, rig_name: str, started_utc: datetime, token: str, clock: HostClock | None = None
    ) -> RunFolder:
        """Make ``root/RIG/2026-01-31T12-00-00Z-TOKEN``. Raises RecordingError when that cannot be."""
        run_id = f"{started_utc.astimezone(timezone.utc):%Y-%m-%dT%H-%M-%SZ}-{token}"
        path = root / rig_name / run_id
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir()
            (path / PROCESSES).mkdir()
            (path / JOURNAL).mkdir()
        except FileExistsError as error:
            raise RecordingError(
                f"{path} cannot be made: {error.filename or path} exists already",
                hint="choose another output folder with --out; a run is never overwritten",
            ) from error
        except OSError as error:
            raise RecordingError(
                f"{path} cannot be made: {error.strerror}",
                hint=f"make {root} a folder you may write to, or choose another with --out",
            ) from error
        folder = cls(path, {}, clock)
        folder.save_run(
            schema=SCHEMA_VERSION,
            run_id=run_id,
            harness_version=__version__,
            started=started_utc.astimezone(timezone.utc).isoformat(timespec="milliseconds"),
            ended=None,
            status="running",
            abort_reason=None,
            abort_kind=None,
        )
        return folder

    @classmethod
    def open(cls, path: Path, clock: HostClock | None = None) -> RunFolder:
        """The run that ``path``, its folder or a file inside it, belongs to. Nothing is written.

        Raises ConfigurationError when it is no run folder, RecordingError when its run.json is damaged.
        """
        for folder in [path, *path.absolute().parents[:2]]:
            file = folder / RUN
            if file.is_file():
                try:
                    run = json.loads(file.read_bytes())
                    if not isinstance(run, dict):
                        raise ValueError("no JSON object")
                except (OSError, ValueError) as error:
                    raise RecordingError(
                        f"{file}: cannot be read: {error}", hint="restore it from a copy"
                    ) from error
                return cls(folder, run, clock)
        what = "has no run.json" if path.exists() else "does not exist"
        raise ConfigurationError(
            f"{path} is no run folder: it {what}",
            hint="give a folder like reports/RIG/2026-01-31T12-00-00Z-ab12",
        )

    @property
    def run_id(self) -> str:
        """Start time and token: the name of the folder, as it was made."""
        return str(self.run.get("run_id", self.path.name))

    def parts(self) -> list[RunFolder]:
        """The earlier parts of a resumed series, the first one first; empty for a run that resumes none."""
        found = [each for each in (self.path / PARTS).glob("*_*") if each.is_dir()]
        return [
            RunFolder.open(each) for each in sorted(found, key=lambda each: int(each.name.partition("_")[0]))
        ]

    # -- small files ------------------------------------------------------------------------------------

    def save_run(self, **changes: Any) -> None:
        """Change top-level keys of run.json. Raises RecordingError; the old file then stays as it was."""
        run = json.loads(to_json({**self.run, **changes}))
        write_text(self.path / RUN, json.dumps(run, indent=2, ensure_ascii=False) + "\n")
        self.run = run

    def write_json(self, name: str, content: Any) -> None:
        """Write a file of the folder; dataclasses, pydantic models, numpy scalars and paths are fine."""
        write_text(self._inside(name), to_json(content, indent=2) + "\n")

    def write_text(self, name: str, content: str) -> None:
        """Write a file of the folder, whole or not at all. Raises RecordingError."""
        write_text(self._inside(name), content)

    def _inside(self, name: str) -> Path:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ValueError(f"{name!r} is not inside the run folder")
        return self.path / name

    def event(self, event: str, /, **details: Any) -> None:
        """Append to events.jsonl, from any thread. A disk that refuses raises nothing: see ``trouble``."""
        self._events.write(event, details)

    def events(self) -> list[dict[str, Any]]:
        """Every event so far, in order, each with ``t_ns``, ``utc`` and ``event``."""
        return read_events(self.path / EVENTS)

    @property
    def trouble(self) -> RecordingError | None:
        """Why events or a table's next block cannot be written, if so; what is written so far is safe."""
        return self._events.trouble or next((t.trouble for t in self._tables if t.trouble), None)

    # -- raw tables -------------------------------------------------------------------------------------

    def create_table(self, name: str, rows: int, block_rows: int = 16384) -> TableWriter:
        """A journal table with space for ``rows``: ``stimuli``, ``clocks``, ``pauses`` or a port
        ``device.port``.

        Raises RecordingError (no space, made already) and ValueError for another name.
        """
        if name in _OWN:
            file, dtype = name, _OWN[name]
        elif re.fullmatch(r"\w+\.\w+", name):
            file, dtype = _OBSERVATIONS + name, OBSERVATION_DTYPE
        else:
            raise ValueError(f"{name!r} is neither stimuli, clocks, pauses nor device.port")
        table = TableWriter.create(self.path / JOURNAL / (file + SUFFIX), dtype, rows, block_rows)
        self._tables.append(table)
        return table

    def close(self) -> None:
        """Close the tables made here. Repeatable; goes on past failures and raises the first one."""
        failures = []
        for table in self._tables:
            try:
                table.close()
            except RecordingError as failure:
                failures.append(failure)
        if failures:
            raise failures[0]

    def stimuli(self) -> Records:
        """STIMULUS_DTYPE, shape (rows,); empty when there are none. Raises RecordingError for damage."""
        return self._raw("stimuli", STIMULUS_DTYPE)

    def clocks(self) -> Records:
        """CLOCK_DTYPE, shape (rows,); empty when there are none. Raises RecordingError for damage."""
        return self._raw("clocks", CLOCK_DTYPE)

    def observations(self) -> dict[str, Records]:
        """OBSERVATION_DTYPE, shape (rows,), by ``device.port``: every port of run.json and of the tables.

        Raises RecordingError for damage.
        """
        found: dict[str, Records] = {
            port: np.empty(0, OBSERVATION_DTYPE) for port in self.run.get("ports", {})
        }
        try:
            for file in self._journal_tables(_OBSERVATIONS):
                found[_port_of(file)] = self._read_journal(file, OBSERVATION_DTYPE)
        except FileNotFoundError:
            pass  # turned into Parquet meanwhile
        else:
            if (self.path / JOURNAL).is_dir():
                return found
        file = self.path / "observations.parquet"
        try:
            rows, metadata = read_labelled(file, OBSERVATION_DTYPE, "port")
        except FileNotFoundError as error:
            raise self._no_raw(file) from error
        empty = {port: np.empty(0, OBSERVATION_DTYPE) for port in json.loads(metadata.get("ports", "[]"))}
        return {**found, **empty, **rows}

    def host(self) -> HostTable:
        """What the host did meanwhile; an empty table where that was not recorded. Raises RecordingError for
        damage."""
        return host_of(self.path / JOURNAL, self.path / HOST)

    def _raw(self, name: str, dtype: np.dtype[Any]) -> Records:
        journal = self.path / JOURNAL
        try:
            return self._read_journal(journal / (name + SUFFIX), dtype)
        except FileNotFoundError:
            if journal.is_dir():
                return np.empty(0, dtype)
        file = self.path / f"{name}.parquet"
        try:
            return read_records(file, dtype)[0]
        except FileNotFoundError as error:
            raise self._no_raw(file) from error

    def _no_raw(self, file: Path) -> RecordingError:
        return missing(self.path, file.name)

    def _journal_tables(self, prefix: str = "") -> list[Path]:
        return sorted((self.path / JOURNAL).glob(f"{prefix}*{SUFFIX}"))

    def _read_journal(self, file: Path, dtype: np.dtype[Any]) -> Records:
        return read_table(file, dtype, salvage=True)

    # -- from the journal to Parquet ----------------------------------------------------------------------

    def finalise_raw(self) -> dict[str, str]:
        """Turn the journal into the raw Parquet files; returns their SHA-256, also kept in run.json.

        Repeatable, and safe to be killed at any instant: the journal goes only after the Parquet files were
        read back and their hashes are in run.json. Raises RecordingError, also while another process records.
        """
        self.close()
        journal = self.path / JOURNAL
        if journal.is_dir():
            wait_for_host(journal)
            writing = [file.name for file in self._journal_tables() if is_being_written(file)]
            if writing:
                raise RecordingError(
                    f"{journal}: {', '.join(writing)} is still being written by a running harness",
                    hint="wait for the run to end, or end it with Ctrl-C",
                )
            if not self.run.get("raw_sha256") or self.verify_raw():
                self.save_run(raw_sha256=self._write_raw())
            journal.rename(self.path / _DONE)
            sync_folder(self.path)
        elif missing := [name for name in RAW if not (self.path / name).is_file()]:
            raise self._no_raw(self.path / missing[0])
        self._finalise_bag()
        self._sweep()
        return dict(self.run.get("raw_sha256") or {})

    def _finalise_bag(self) -> None:
        """Turn the spools into the bag. The verdict does not need it: what fails is an event, and is tried
        again with the next report."""
        try:
            about = finalise_bag(self.path)
            if about is not None:
                self.save_run(bag={**(self.run.get("bag") or {}), **about})
                drop_spools(self.path)
        except Exception as failure:
            self.event("bag_not_written", message=f"{type(failure).__name__}: {failure}")

    def _write_raw(self) -> dict[str, str]:
        for file in self._journal_tables():
            try:
                read_table(file)
            except RecordingError as damage:
                self.event("table_salvaged", table=file.name, message=damage.message)
        stimuli, clocks, observations = self.stimuli(), self.clocks(), self.observations()
        ports = sorted(observations)
        rows = [observations[port] for port in ports]
        joined = np.concatenate(rows) if rows else np.empty(0, OBSERVATION_DTYPE)
        labels = Labels(np.repeat(np.arange(len(ports)), [len(part) for part in rows]), ports)
        about = {"harness.schema": str(SCHEMA_VERSION), "no_stamp": str(NO_STAMP), "run_id": self.run_id}
        host = self.host()
        hashes = {HOST: write_host(self.path / HOST, host, about)} if len(host.rows) else {}
        return {
            **hashes,
            "stimuli.parquet": write_records(self.path / "stimuli.parquet", stimuli, metadata=about),
            "observations.parquet": write_records(
                self.path / "observations.parquet",
                joined,
                {"port": labels},
                {**about, "ports": json.dumps(ports)},
            ),
            "clocks.parquet": write_records(self.path / "clocks.parquet", clocks, metadata=about),
        }

    def _sweep(self) -> None:
        """Remove what a killed process left, where this folder may be written to."""
        try:
            if (self.path / _DONE).is_dir():
                shutil.rmtree(self.path / _DONE)
            for file in self.path.glob(f".*{TEMPORARY}"):
                file.unlink(missing_ok=True)
        except OSError as error:
            self.event("leftovers_kept", message=str(error))

    def verify_raw(self) -> list[str]:
        """Names of the raw Parquet files that are missing, or not what run.json says they were."""
        hashes = self.run.get("raw_sha256") or {}
        return [
            name
            for name in RAW
            if not (self.path / name).is_file() or file_sha256(self.path / name) != hashes.get(name)
        ]

    # -- samples --------------------------------------------------------------------------------------------

    def write_samples(self, samples: Records) -> None:
        """Write samples.parquet: SAMPLE_DTYPE (rows,), and for people milliseconds, scenario, response port.

        ``latency_ms`` = arrived - sent, ``latency_from_intent_ms`` = arrived - intended, ``lateness_ms`` =
        sent - intended, ``simulated_latency_ms`` = sim_arrived - sim_sent; NaN where one of the two is
        missing. Raises RecordingError.
        """
        scenarios = self.run.get("scenarios") or []
        names = [str(scenario["name"]) for scenario in scenarios]
        resolved = ((self.run.get("rig") or {}).get("resolved") or {}).get("scenarios") or {}
        ports = [str(resolved.get(name, {}).get("response", "")) for name in names]
        codes = np.where(samples["scenario"] < len(names), samples["scenario"].astype(np.int32), -1)
        unique = sorted(set(ports))
        of_port = np.array([unique.index(port) for port in ports] + [-1], np.int32)[codes]
        extra: dict[str, np.ndarray[Any, Any] | Labels] = {
            "latency_ms": _milliseconds(samples, "arrived_ns", "sent_ns"),
            "latency_from_intent_ms": _milliseconds(samples, "arrived_ns", "intended_ns"),
            "lateness_ms": _milliseconds(samples, "sent_ns", "intended_ns"),
            "simulated_latency_ms": _milliseconds(samples, "sim_arrived_ns", "sim_sent_ns"),
            "scenario_name": Labels(codes, names),
            "port": Labels(of_port, unique),
        }
        about = {"harness.schema": str(SCHEMA_VERSION), "no_stamp": str(NO_STAMP), "run_id": self.run_id}
        write_records(self.path / SAMPLES, samples.astype(SAMPLE_DTYPE, copy=False), extra, about)

    def samples(self, dtype: np.dtype[Any] = SAMPLE_DTYPE) -> Records:
        """SAMPLE_DTYPE, or some of its columns, shape (rows,). Raises RecordingError when there are none
        yet."""
        try:
            return read_records(self.path / SAMPLES, dtype, narrow=dtype is not SAMPLE_DTYPE)[0]
        except FileNotFoundError as error:
            raise missing(self.path, SAMPLES, f"derive it: harness report {self.path}") from error


def _port_of(file: Path) -> str:
    return file.name[len(_OBSERVATIONS) : -len(SUFFIX)]


def _milliseconds(samples: Records, later: str, earlier: str) -> np.ndarray[Any, Any]:
    known = (samples[later] != NO_STAMP) & (samples[earlier] != NO_STAMP)
    # The difference is taken between integers: instants in nanoseconds are beyond what a float holds exactly.
    return np.where(known, (samples[later] - samples[earlier]) * 1e-6, np.nan)
