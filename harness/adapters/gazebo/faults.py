"""Faults of the simulation: it is paused, held to a fraction of real time, or a model is taken out of it.

Those of processes (the simulator is killed, or stopped) are the same as everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from harness.adapters.gazebo import asker as asking
from harness.adapters.gazebo import world
from harness.adapters.gazebo.asker import Asker, Call
from harness.adapters.gazebo.fault_options import PauseFault, RemoveFault, SlowDownFault
from harness.adapters.gazebo.watch import Watch
from harness.config.swarm import robot_names
from harness.errors import OperationError
from harness.faults import FaultPort, make_fault
from harness.faults.processes import Kill
from harness.guardian.undo import Undo, run
from harness.model import FaultRecord
from harness.ports import DeviceContext

STILL_NS = 50_000_000
"""Of wall time without a tick of the clock: the simulation stands still."""


class Owner(Protocol):
    """What a fault needs of its device."""

    options: Any
    partition: str | None

    @property
    def asker(self) -> Asker:
        """Who calls services."""

    @property
    def watch(self) -> Watch:
        """Who follows the simulation."""

    def is_ready(self, condition: str, argument: str) -> bool:
        """As of every device."""


def make(port: str, options: Any, owner: Owner, context: DeviceContext) -> FaultPort:
    """The fault port of that name."""
    robots = robot_names(owner.options.robots)
    kinds: dict[type, type[WorldFault]] = {
        PauseFault: Pause,
        SlowDownFault: SlowDown,
        RemoveFault: Remove,
    }
    kind = kinds.get(type(options))
    if kind is None:
        return make_fault(port, options, robots, context.run_id, context.clock)
    return kind(port, options, robots, owner, context)


@dataclass
class Aimed:
    """What is broken: which robot, and what was seen of the simulation then."""

    target: str
    sim_ns: int = 0
    seen_ns: int = 0
    replied: bool = False


class WorldFault(FaultPort):
    """A fault that services of the world bring about."""

    def __init__(
        self, port: str, options: Any, robots: Sequence[str], owner: Owner, context: DeviceContext
    ) -> None:
        super().__init__(port, options, robots, context.run_id, context.clock)
        self._owner, self._context = owner, context
        self._world = str(owner.options.world)

    def _number(self, target: str) -> int:
        # A world may be one robot's alone, which then has no name.
        return super()._number(target) if self._robots else 1

    def _find(self, target: str) -> Aimed:
        return Aimed(target)

    def _still(self, aimed: Aimed) -> bool:
        return True

    def _ask(self, call: Call) -> bool:
        return world.accepted(self._owner.asker.ask(call))

    def _once(self, call: Call) -> Undo:
        words = asking.once(call, self._owner.partition, self._owner.options.address)
        return run(words, call.timeout_ms * 1e-3 + 10.0)

    def _restored_by(self, aimed: Aimed) -> list[Call]:
        raise NotImplementedError

    def _undoings(self, aimed: Aimed) -> list[Undo]:
        return [self._once(call) for call in self._restored_by(aimed)]

    def _undo(self, aimed: Aimed) -> None:
        for call in self._restored_by(aimed):
            if not self._ask(call):
                raise OperationError(f"fault port {self._port}: {call.service} said no")


class Pause(WorldFault):
    """The simulation stands still."""

    def _break(self, aimed: Aimed) -> None:
        self._owner.watch.steered.set()
        aimed.replied = self._ask(world.control(self._world, "pause"))

    def _took_hold(self, aimed: Aimed) -> bool:
        now, sim = self._clock.monotonic_ns(), self._owner.watch.sim_ns
        if sim != aimed.sim_ns or not aimed.seen_ns:
            aimed.sim_ns, aimed.seen_ns = sim, now
        return aimed.replied and now - aimed.seen_ns >= STILL_NS

    def _evidence(self, aimed: Aimed) -> str:
        return f"the clock stands at {aimed.sim_ns * 1e-9:.3f} s of simulated time,"

    def _restored_by(self, aimed: Aimed) -> list[Call]:
        return [world.control(self._world, "run")]

    def _back(self, target: str, aimed: Aimed) -> str | None:
        watch = self._owner.watch
        if watch.sim_ns == aimed.sim_ns:
            return None
        watch.steered.clear()
        return f"the clock goes on, at {watch.sim_ns * 1e-9:.3f} s of simulated time"


class SlowDown(WorldFault):
    """The simulation is held to a fraction of real time, by the world's own physics settings."""

    def _break(self, aimed: Aimed) -> None:
        self._owner.watch.steered.set()
        aimed.sim_ns, aimed.seen_ns = self._owner.watch.sim_ns, self._clock.monotonic_ns()
        aimed.replied = self._ask(self._physics(self._options.real_time_factor))

    def _physics(self, factor: float) -> Call:
        step_s = (self._owner.watch.step_ns or 1_000_000) * 1e-9
        values = {"max_step_size": step_s, "real_time_factor": factor}
        return world.call(world.topic(self._world, "set_physics"), "gz.msgs.Physics", values)

    def _pace(self, aimed: Aimed) -> float | None:
        """Simulated over wall time since the last look, of a fifth of a second or more."""
        now, sim = self._clock.monotonic_ns(), self._owner.watch.sim_ns
        if now - aimed.seen_ns < 4 * STILL_NS:
            return None
        pace = (sim - aimed.sim_ns) / (now - aimed.seen_ns)
        aimed.sim_ns, aimed.seen_ns = sim, now
        return pace

    def _took_hold(self, aimed: Aimed) -> bool:
        pace = self._pace(aimed)
        return aimed.replied and pace is not None and pace < (1 + self._options.real_time_factor) / 2

    def _evidence(self, aimed: Aimed) -> str:
        return f"simulated time runs at {self._options.real_time_factor:g} of the wall clock,"

    def _restored_by(self, aimed: Aimed) -> list[Call]:
        return [self._physics(1.0)]

    def _back(self, target: str, aimed: Aimed) -> str | None:
        pace = self._pace(aimed)
        if pace is None or pace < (1 + self._options.real_time_factor) / 2:
            return None
        self._owner.watch.steered.clear()
        return f"simulated time runs at {pace:.2f} of the wall clock"


class Remove(WorldFault):
    """A model is taken out of the world, and its process, where one is named, killed first."""

    def __init__(
        self, port: str, options: Any, robots: Sequence[str], owner: Owner, context: DeviceContext
    ) -> None:
        super().__init__(port, options, robots, owner, context)
        self._kill = (
            None
            if options.process is None
            else Kill(
                port, options.model_copy(update={"kind": "kill"}), robots, context.run_id, context.clock
            )
        )
        self._entries: dict[str, Any] = {}
        self._blocking = False

    def _find(self, target: str) -> Aimed:
        self._sdf(target)  # better told before anything is broken
        # The plain service says yes before the next step, in which the model is taken out.
        service = world.topic(self._world, "remove/blocking")
        self._blocking = self._owner.is_ready("serves", service)
        if self._kill is not None:
            self._entries[target] = self._kill._find(target)
        return Aimed(target)

    def _still(self, aimed: Aimed) -> bool:
        return self._kill is None or self._kill._still(self._entries[aimed.target])

    def _sdf(self, target: str) -> Path:
        folder = self._context.rig_folder or Path()
        path = (folder / self._filled(self._options.sdf, target)).resolve()
        if not path.is_file():
            raise OperationError(
                f"fault port {self._port}: there is no file {path}, from which {target} would come back",
                hint="correct `sdf` of that port; it starts from the rig file",
            )
        return path

    def _break(self, aimed: Aimed) -> None:
        if self._kill is not None:
            self._kill._break(self._entries[aimed.target])
        name = self._filled(self._options.model, aimed.target)
        call = world.control(self._world, "remove", {"name": name}, self._options.reply_timeout_ms)
        if self._blocking:
            call = replace(call, service=f"{call.service}/blocking")
        aimed.replied = self._ask(call)

    def _took_hold(self, aimed: Aimed) -> bool:
        dead = self._kill is None or self._kill._took_hold(self._entries[aimed.target])
        return dead and aimed.replied

    def _evidence(self, aimed: Aimed) -> str:
        process = "" if self._kill is None else self._kill._evidence(self._entries[aimed.target]) + ", "
        done = "took the model out" if self._blocking else "said that it takes the model out"
        return f"{process}the simulator {done},"

    def _restored_by(self, aimed: Aimed) -> list[Call]:
        further = self._number(aimed.target) - 1
        x, y, z = (
            at + further * apart for at, apart in zip(self._options.at, self._options.apart, strict=True)
        )
        values = {
            "sdf_filename": str(self._sdf(aimed.target)),
            "name": self._filled(self._options.model, aimed.target),
            "pose.position": {"x": x, "y": y, "z": z},
            "allow_renaming": False,
        }
        return [world.control(self._world, "spawn", values, self._options.reply_timeout_ms)]

    def _restart(self, aimed: Aimed) -> None:
        if self._kill is not None:
            self._kill._restart(self._entries[aimed.target])

    def _back(self, target: str, aimed: Aimed) -> str | None:
        if self._kill is None:
            return "the simulator said that it takes the model in again"
        return self._kill._back(target, self._entries[target])

    def restore(self, target: str) -> FaultRecord:
        """As everywhere; what was named is forgotten."""
        record = super().restore(target)
        self._entries.pop(target, None)
        return record
