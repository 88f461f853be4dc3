"""One run of a rig at a time: an flock that ends with the last process that holds it, never a stale one."""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import re
import shlex
import socket
import stat
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import psutil

from harness.errors import ConfigurationError, UnavailableError

DIRECTORY_VARIABLE = "HARNESS_LOCK_DIR"


def lock_directory() -> Path:
    """Where the locks are: ``$HARNESS_LOCK_DIR``, else ``$XDG_RUNTIME_DIR/harness``, else ``harness-UID`` in
    the folder for temporary files.

    The last two belong to one user. Where several users share a bench, HARNESS_LOCK_DIR has to name a folder
    that all of them can write to.
    """
    if chosen := os.environ.get(DIRECTORY_VARIABLE):
        return Path(chosen)
    if (runtime := os.environ.get("XDG_RUNTIME_DIR")) and Path(runtime).is_dir():
        return Path(runtime) / "harness"
    return Path(tempfile.gettempdir()) / f"harness-{os.getuid()}"


class RigLock:
    """The right to use a rig. Get it with :meth:`acquire`."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self._fd: int | None = fd

    @classmethod
    def acquire(cls, rig_name: str, run_id: str) -> RigLock:
        """Take the lock of a rig on this machine, without waiting.

        Raises UnavailableError when somebody holds it (named, with run and time) or the lock's folder cannot
        be trusted, ConfigurationError for a rig name that is no name.
        """
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", rig_name):
            raise ConfigurationError(
                f"{rig_name!r} is no name of a rig", hint="use letters, digits and hyphens"
            )
        directory = lock_directory()
        shared = bool(os.environ.get(DIRECTORY_VARIABLE))
        _prepare(directory, shared)
        path = directory / f"{rig_name}.lock"
        while True:
            fd = _open(path, 0o666 if shared else 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_current(path, fd):
                    _describe(fd, run_id)
                    return cls(path, fd)
            except BlockingIOError as error:
                holder = _read(fd)
                os.close(fd)
                raise _refusal(rig_name, path, holder) from error
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)  # somebody tidied the file away between opening and locking: take the new one

    def fileno(self) -> int:
        """The descriptor that holds the lock, for ``Popen(pass_fds=...)`` of the guardian: the rig is then
        held until both this process and the guardian have let go. Raises ValueError after ``release``.

        It is inherited in no other way: a program of the rig that lives on must not hold the rig.
        """
        if self._fd is None:
            raise ValueError(f"{self.path} was released")
        return self._fd

    def release(self) -> None:
        """Let go. Repeatable. Not an unlock: a guardian that has the descriptor keeps holding the rig."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def __enter__(self) -> RigLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _prepare(directory: Path, shared: bool) -> None:
    hint = f"set {DIRECTORY_VARIABLE} to a folder that you may write to"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = directory.stat() if shared else directory.lstat()
    except OSError as error:
        raise UnavailableError(
            f"the folder of locks {directory} cannot be made: {error.strerror}", hint=hint
        ) from error
    if not stat.S_ISDIR(found.st_mode):
        raise UnavailableError(f"the folder of locks {directory} is no folder of its own", hint=hint)
    if not shared and (found.st_uid != os.getuid() or found.st_mode & 0o022):
        raise UnavailableError(
            f"the folder of locks {directory} belongs to user {found.st_uid} with mode "
            f"{found.st_mode & 0o777:o}, so that others could take the lock away",
            hint=f"remove it, or {hint}",
        )


def _open(path: Path, mode: int) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    except OSError as error:
        try:
            owner = _user(path.lstat().st_uid)
        except OSError:
            owner = "nobody"
        raise UnavailableError(
            f"the lock {path} of user {owner} cannot be opened: {error.strerror}",
            hint=f"remove it if no run is going on, or set {DIRECTORY_VARIABLE}",
        ) from error


def _is_current(path: Path, fd: int) -> bool:
    try:
        there = path.lstat()
    except FileNotFoundError:
        return False
    ours = os.fstat(fd)
    return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)


def _describe(fd: int, run_id: str) -> None:
    about = {
        "pid": os.getpid(),
        "user": _user(os.getuid()),
        "run_id": run_id,
        "host": socket.gethostname(),
        "since": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": shlex.join([Path(sys.argv[0]).name or "python", *sys.argv[1:]]),
    }
    data = json.dumps(about).encode()
    os.ftruncate(fd, 0)
    os.pwrite(fd, data + b"\n", 0)


def _read(fd: int) -> dict[str, Any]:
    try:
        about = json.loads(os.pread(fd, 65536, 0))
    except (OSError, ValueError):
        return {}  # it is being written at this very moment
    return about if isinstance(about, dict) else {}


def _refusal(rig_name: str, path: Path, holder: dict[str, Any]) -> UnavailableError:
    if not holder:
        return UnavailableError(f"rig {rig_name!r} is in use (lock {path})", hint="wait for that run to end")
    pid, run_id = holder.get("pid"), holder.get("run_id")
    who = f"run {run_id} of user {holder.get('user')} on {holder.get('host')} since {holder.get('since')}"
    if isinstance(pid, int) and not psutil.pid_exists(pid):
        return UnavailableError(
            f"rig {rig_name!r} is in use: {who} has ended, but its guardian still holds it",
            hint=f"wait some seconds for the robot to be stopped; if it lasts, see who: fuser -v {path}",
        )
    return UnavailableError(
        f"rig {rig_name!r} is in use: {who}, process {pid}: {holder.get('command')}",
        hint=f"wait for that run to end, or end it in good order with: kill -INT {pid}",
    )


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
