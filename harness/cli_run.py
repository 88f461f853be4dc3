"""What the commands that run a rig have in common: the console, questions to the operator, how it ends."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from harness.conclude import RunOutcome
    from harness.progress import Display


def new_console(*, stderr: bool = False) -> Console:
    """Where results are printed; standard error with ``stderr``."""
    from rich.console import Console

    class Piped(Console):
        """A reader that has left, as `head` does, is no verdict: not rich's exit status 1, which is FAIL."""

        def on_broken_pipe(self) -> None:
            """End with the status of the signal."""
            with suppress(SystemExit):
                super().on_broken_pipe()
            raise SystemExit(128 + signal.SIGPIPE)

    return Piped(stderr=stderr)


def finish(outcome: RunOutcome, *, quiet: bool = False, as_json: bool = False) -> int:
    """Print what came of a run; the exit status."""
    from harness.terminal import first_reason, show_outcome

    if as_json:
        results = outcome.folder / "results.json"
        if results.is_file():
            click.echo(results.read_text(encoding="utf-8"))
        if outcome.error:
            click.echo(outcome.error, err=True)
    else:
        show_outcome(new_console(), outcome, brief=quiet)
        if quiet and (reason := first_reason(outcome)):
            click.echo(reason, err=True)
    return 4 if outcome.results is None or outcome.results.aborted else outcome.verdict.exit_status


def asker(agreed: set[str], displays: Sequence[Display]) -> Callable[[str], bool] | None:
    """Puts a question to the operator, true for one of those answers; None where nobody can answer."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    wanted = {word.strip().lower() for word in agreed} - {""}

    def ask(question: str) -> bool:
        with ExitStack() as stack:
            for display in displays:
                stack.enter_context(display.paused())
            click.echo(f"{question}: ", err=True, nl=False)
            # Not input(): its lock, held by a thread that waits for an answer, would break the exit after
            # Ctrl-C.
            answer = os.read(sys.stdin.fileno(), 1024).decode(errors="replace")
        return answer.strip().lower() in wanted

    return ask
