"""``python -m harness.sim.spot``: ends with status 0 on SIGINT or SIGTERM."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

SWITCH_S = 0.0005
"""The interpreter lock changes hands that often: a call must not wait 5 ms for the loop of the body."""


def main() -> int:
    """Be a robot until told to stop; the exit status."""
    stopped: list[int] = []
    started: list[bool] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if not started:
            os._exit(0)
        stopped.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    from harness.sim.spot.options import parse

    options = parse()
    try:
        from harness.sim.spot import certificates
        from harness.sim.spot.control import Control
        from harness.sim.spot.robot import Robot
        from harness.sim.spot.server import bind
    except ImportError as error:
        print(f"spot: {error}; next: pip install 'hil-latency-harness[spot,sim]'", file=sys.stderr)
        return 2
    sys.setswitchinterval(SWITCH_S)
    try:
        robot = Robot(options)
    except OSError as error:
        print(f"spot: --truth: {error}; next: give another file", file=sys.stderr)
        return 2
    made = certificates.make()
    try:
        server, port = bind(robot, made, options.port)
    except RuntimeError as error:
        print(f"spot: port {options.port}: {error}; next: give another --port, or 0", file=sys.stderr)
        return 2
    # Only now: another robot that has the port may have its certificate in the same place.
    try:
        control = Control(robot, options.control) if options.control is not None else None
    except OSError as error:
        print(f"spot: --control: {error}; next: give another path", file=sys.stderr)
        return 2
    try:
        options.certificate.write_bytes(made.authority)
    except OSError as error:
        print(f"spot: --certificate: {error}; next: give a file that can be written", file=sys.stderr)
        if control is not None:
            control.close()
        return 2
    server.start()
    started.append(True)
    print(f"spot: ready on 127.0.0.1:{port}, certificate {options.certificate}", flush=True)
    try:
        robot.run(lambda: bool(stopped))
    finally:
        if control is not None:
            control.close()
        server.stop(0.2).wait(2.0)
        robot.truth.close()
        if options.certificate.is_file() and options.certificate.read_bytes() == made.authority:
            options.certificate.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
