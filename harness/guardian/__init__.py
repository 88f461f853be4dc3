"""The process that stops the robot when the harness cannot: killed, crashed, hanging.

:class:`Guardian` is the harness's end. The other end (:mod:`harness.guardian.keeper`) is a process of its
own, in a session of its own, deaf to Ctrl-C, hang-up and SIGTERM, with a stop path of its own to every
device. It acts when the pipe closes without a ``release``, or when the harness process is gone, whichever it
sees first.
"""

from harness.guardian.client import Guardian

__all__ = ["Guardian"]
