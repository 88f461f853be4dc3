"""The bag of a run while it measures: which topics are taken, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.atomic import to_json, write_text
from harness.bags.spool import SUFFIX, Budget, Spool
from harness.config.left_out import covers, unknown
from harness.config.schema import Record
from harness.errors import RecordingError
from harness.model import Finding, Severity
from harness.ports import BagTopic, Keep

SPOOLS = "bag.spool"
"""The folder of a run's spools, within the run folder."""
NAME = "bag"


class BagRecording:
    """Offers every device a place for its messages. ``folder`` is the run folder; ``namespaces``: of the
    devices that have one."""

    def __init__(self, options: Record, folder: Path, namespaces: Mapping[str, str] | None = None) -> None:
        self._options = options
        self._folder = folder / SPOOLS
        self._namespaces = namespaces or {}
        self._budget = Budget(options.max_mb << 20, folder)
        self._spools: dict[tuple[str, str], tuple[BagTopic, Spool]] = {}
        self._offered: set[str] = set()
        self._left_out: set[str] = set()
        self._used: set[str] = set()
        self._findings: list[Finding] = []
        self._told = False

    @property
    def wanted(self) -> bool:
        """Whether anything is recorded at all."""
        return self._options.bag

    def offer(self, device: str, topic: BagTopic) -> Keep | None:
        """Where the messages of that topic go; None where they are left out.

        A topic that two ports of a device share is taken once, from the first of them. Never raises: without
        a bag a run is worth as much.
        """
        self._offered.add(topic.name)
        namespace = self._namespaces.get(device, "")
        patterns = [one for one in self._options.leave_out if covers(one, topic.name, namespace)]
        self._used.update(patterns)
        if patterns:
            self._left_out.add(topic.name)
        if patterns or not self.wanted or (device, topic.name) in self._spools:
            return None
        number = len(self._spools)
        try:
            self._folder.mkdir(exist_ok=True)
            about = {
                "device": device,
                "port": topic.port,
                "topic": topic.name,
                "type": topic.type,
                "encoding": topic.encoding,
                "schema": topic.schema,
                "schema_encoding": topic.schema_encoding,
                "qos": topic.qos,
            }
            write_text(self._folder / f"{number:03}.json", to_json(about) + "\n")
            spool = Spool(self._folder / f"{number:03}{SUFFIX}", self._budget)
        except (OSError, RecordingError) as error:
            self._findings.append(
                Finding(NAME, Severity.WARNING, f"{topic.name} is not in the bag: {error}", topic.name)
            )
            return None
        self._spools[device, topic.name] = topic, spool
        return spool.append

    def require_known(self) -> None:
        """Raise ConfigurationError for a topic to be left out that nobody offered: misspelt, it would have
        been recorded."""
        for pattern in self._options.leave_out:
            if self._offered and pattern not in self._used:
                raise unknown(pattern, self._offered)

    def about(self) -> dict[str, Any]:
        """For run.json: what is recorded, what is left out."""
        return {
            "recorded": bool(self._spools),
            "topics": sorted({name for _, name in self._spools}),
            "left_out": sorted(self._left_out),
            "max_mb": self._options.max_mb,
        }

    def findings(self) -> list[Finding]:
        """What is worth knowing since this was asked last."""
        if self._budget.ended and not self._told:
            self._told = True
            self._findings.append(
                Finding(
                    NAME,
                    Severity.WARNING,
                    f"recording of the bag ended early: {self._budget.ended}; the run goes on without it",
                    remedy="raise record.max_mb, or leave large topics out: record.leave_out",
                )
            )
        found, self._findings = self._findings, []
        return found

    def close(self) -> list[Finding]:
        """Close the spools, going on past failures. Repeatable. Returns what is worth knowing."""
        for topic, spool in self._spools.values():
            try:
                spool.close()
            except RecordingError as error:
                self._findings.append(Finding(NAME, Severity.WARNING, error.message, topic.name))
            if spool.missed:
                message = f"{spool.missed} of {spool.missed + spool.count} messages of {topic.name} are not"
                self._findings.append(Finding(NAME, Severity.WARNING, f"{message} in the bag", topic.name))
        found = self.findings()
        for _, spool in self._spools.values():
            spool.missed = 0
        return found
