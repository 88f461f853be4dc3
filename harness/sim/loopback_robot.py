"""The loopback robot as a process: ``python -m harness.sim.loopback_robot --socket @name --log stops.jsonl``.

The loopback device starts it with a listening socket handed down; a rig file may start it by itself, with the
device's ``external: true``. It outlives a harness that was killed, so that the guardian can stop it, and ends
``--linger-s`` after the last connection closed.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import signal
import socket
import sys
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from harness.adapters.loopback.robot import Behaviour, DiedError, Robot
from harness.adapters.loopback.wire import ADDRESS_VARIABLE, listen

EXIT_DIED = 70


def parser() -> argparse.ArgumentParser:
    """The command line: one flag for each field of :class:`Behaviour`, and where to listen and to log."""
    found = argparse.ArgumentParser(prog="python -m harness.sim.loopback_robot", description=__doc__)
    where = found.add_mutually_exclusive_group()
    where.add_argument("--socket", default=os.environ.get(ADDRESS_VARIABLE), help="path, or @abstract-name")
    where.add_argument("--listen-fd", type=int, help="a listening socket that was handed down")
    found.add_argument("--log", type=Path, help="file that gets one JSON object a line for what happened")
    found.add_argument("--linger-s", type=float, help="end after this long with nobody connected")
    for each in dataclasses.fields(Behaviour):
        flag = "--" + each.name.replace("_", "-")
        if isinstance(each.default, bool):
            found.add_argument(flag, action="store_true")
        else:
            found.add_argument(flag, type=type(each.default), default=each.default)
    return found


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal, the linger time or ``die_after``; the exit status."""
    options = parser().parse_args(arguments)
    how = Behaviour(**{each.name: getattr(options, each.name) for each in dataclasses.fields(Behaviour)})
    with ExitStack() as stack:
        log = None
        if options.log is not None:
            log = stack.enter_context(options.log.open("a", encoding="utf-8"))
        robot = Robot(how, log)

        def end(number: int, frame: FrameType | None) -> None:
            robot.stop()

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, end)
        if options.listen_fd is not None:
            listener = socket.socket(fileno=options.listen_fd)
        elif options.socket:
            listener = listen(options.socket)
            if not options.socket.startswith("@"):
                stack.callback(Path(options.socket).unlink, missing_ok=True)
        else:
            print(
                f"neither --socket, --listen-fd nor {ADDRESS_VARIABLE} says where to listen", file=sys.stderr
            )
            return 2
        print("loopback robot listens", flush=True)
        try:
            robot.serve(listener, linger_s=options.linger_s)
        except DiedError:
            return EXIT_DIED
    return 0


if __name__ == "__main__":
    sys.exit(main())
