"""One tree of errors; every message names the thing, the value, and the next step.

::

    HarnessError
     +-- ConfigurationError   a rig file or command line that cannot be used       exit 2
     +-- UnavailableError     a device, library or port that is not there          exit 4
     +-- OperationError       something that was there refused or failed           exit 4
     +-- DeadlineError        something did not happen in time                     exit 4
     +-- SafetyError          a limit, an arm switch or somebody else's hand       exit 4
     +-- RecordingError       evidence could not be written                        exit 4
"""

from __future__ import annotations


class HarnessError(Exception):
    """Root of everything the harness raises on purpose.

    ``hint`` says what to do next; it is shown after the message.
    """

    exit_status = 4

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  next: {self.hint}" if self.hint else self.message


class ConfigurationError(HarnessError):
    """A rig file, option or combination of them is wrong.

    Example: a misspelt key, a requirement on a scenario that does not exist, an unknown message type.
    """

    exit_status = 2


class UnavailableError(HarnessError):
    """Something the run needs is not there.

    Example: rclpy is not importable, a topic has no publisher, the lock of a rig is held by another run.
    """


class OperationError(HarnessError):
    """Something that was there refused, broke or ended.

    Example: the robot process died mid-run, a set-up step failed.
    """


class DeadlineError(HarnessError):
    """Something did not happen in the time that was given to it.

    Example: nobody answered the probes, a process never became ready.
    """


class SafetyError(HarnessError):
    """Going on would be unsafe or is not allowed.

    Example: a value beyond the limits of the rig file, another publisher on the command topic, ``--arm``
    missing.
    """


class RecordingError(HarnessError):
    """Evidence could not be written or read back.

    Example: disk full, folder not writable, a damaged table.
    """
