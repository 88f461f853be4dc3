"""Starting and ending the robot of a loopback device: a child process or a thread."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

from harness.adapters.loopback.robot import Behaviour, DiedError, Robot
from harness.adapters.loopback.wire import connect, listen, widen
from harness.errors import OperationError, UnavailableError
from harness.proctable import RUN_ID_VARIABLE

LINGER_S = 5.0
"""How long a robot process outlives its last connection: time for the guardian to deliver the stop."""
STOP_TIMEOUT_S = 3.0


class ThreadPeer:
    """The robot in a thread of this process; nobody else can reach it, and it ends with the process."""

    def __init__(self, name: str, behaviour: Behaviour) -> None:
        self._robot = Robot(behaviour)
        self.connection, theirs = socket.socketpair()
        widen(self.connection)
        self._thread = threading.Thread(
            target=self._serve, args=(theirs,), name=f"loopback-robot-{name}", daemon=True
        )
        try:
            self._thread.start()
        except RuntimeError as error:
            for each in (self._robot, self.connection, theirs):
                each.close()
            raise UnavailableError(f"{name}: the robot's thread cannot be started: {error}") from error

    def _serve(self, connection: socket.socket) -> None:
        try:
            self._robot.serve(connection=connection)
        except DiedError:
            pass  # the device sees the connection close

    def describe_end(self) -> str:
        """How the robot ended, in words."""
        return "its thread ended"

    def close(self) -> None:
        """End the thread. Repeatable."""
        self._robot.stop()
        self._thread.join()
        self.connection.close()


class ProcessPeer:
    """The robot as a child process that listens at ``address``."""

    def __init__(self, name: str, behaviour: Behaviour, address: str, log: Path | None, run_id: str) -> None:
        self._address = address
        self.connection: socket.socket | None = None
        try:
            listener = listen(address)
        except OSError as error:
            raise UnavailableError(
                f"{name}: cannot listen at {address}: {error.strerror}",
                hint="another run may hold it; give the device another `path`",
            ) from error
        command = [sys.executable, "-m", "harness.sim.loopback_robot", "--listen-fd", str(listener.fileno())]
        command += [
            "--linger-s",
            repr(LINGER_S),
            *(["--log", str(log)] if log else []),
            *behaviour.arguments(),
        ]
        try:
            # A session of its own: Ctrl-C at the terminal must not end the robot before it was stopped.
            self._child = subprocess.Popen(
                command,
                pass_fds=(listener.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
                env={**os.environ, RUN_ID_VARIABLE: run_id},
            )
        except OSError as error:
            raise UnavailableError(f"{name}: the robot process cannot be started: {error}") from error
        finally:
            listener.close()
        try:
            self.connection = connect(address)
        except OSError as error:
            self.close()
            raise OperationError(f"{name}: the robot process ended at once: {self.describe_end()}") from error

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    def describe_end(self) -> str:
        """How the robot ended, in words."""
        try:
            status = self._child.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return f"process {self._child.pid} closed the connection and still runs"
        return f"process {self._child.pid} ended with status {status}"

    def close(self) -> None:
        """End the process: asked first, killed after a while. Repeatable."""
        if self.connection is not None:
            self.connection.close()
        if self._child.poll() is None:
            self._child.terminate()
            try:
                self._child.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
        if not self._address.startswith("@") and os.path.lexists(self._address):
            Path(self._address).unlink(missing_ok=True)
