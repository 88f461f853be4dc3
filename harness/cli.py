"""The command line. Exit status: 0 PASS, 1 FAIL, 2 usage or configuration, 3 INCONCLUSIVE, 4 ERROR or
aborted."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness import __version__
from harness.cli_board import board
from harness.cli_compare import compare
from harness.cli_history import digest, history, prune
from harness.cli_regressions import regressions
from harness.cli_run import asker, finish, new_console
from harness.cli_telemetry import alerts, budgets, dashboard, export, metrics
from harness.cli_why import why
from harness.errors import ConfigurationError, HarnessError

if TYPE_CHECKING:
    from harness.folder import RunFolder
    from harness.progress import Display


class RigArgument(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A rig: its name in rig_configs/, or a path; completed in the shell."""

    name = "rig"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        """Names in rig_configs/ and files."""
        from click.shell_completion import CompletionItem

        from harness.config import list_rigs

        names = [path.stem for path in list_rigs() if path.stem.startswith(incomplete)]
        # Not both: where files are offered, bash forgets the names.
        return [CompletionItem(name) for name in names] or [CompletionItem(incomplete, type="file")]


RIG = RigArgument()
SET = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one value of the rig file."
)

NAMESPACE = click.option(
    "--namespace", default="", metavar="NS", help="Put before the relative topic names of the ROS 2 devices."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="harness")
def cli() -> None:
    """Measure the latency of robots, judge it against budgets, write the report that a reviewer signs."""


@cli.command()
@click.argument("rig", type=RIG)
@SET
@NAMESPACE
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("reports"),
    show_default=True,
    help="Where run folders go.",
)
@click.option(
    "--samples", type=click.IntRange(min=1), help="Number of measured stimuli, instead of the rig file's."
)
@click.option(
    "--scenario", "scenarios", multiple=True, help="Only this scenario and its requirements; may be repeated."
)
@click.option("--operator", default="", metavar="NAME", help="Who runs it; goes into the report.")
@click.option("--arm", is_flag=True, help="Let a real rig move.")
@click.option(
    "--confirm-area-clear",
    is_flag=True,
    help="The operator has confirmed, before this call, that the area is clear and the e-stop at hand.",
)
@click.option(
    "--anyway",
    is_flag=True,
    help="Run although some requirement cannot pass, whatever is measured (see plan), or the host of a real"
    " rig is too busy for a verdict (see check).",
)
@click.option(
    "--quiet", "-q", is_flag=True, help="No progress; one line at the end, and why on standard error."
)
@click.option("--json", "as_json", is_flag=True, help="Print results.json on standard output, nothing else.")
@click.option("--folder-fd", type=int, hidden=True, help="Write the path of the run folder there.")
def run(
    rig: str,
    overrides: tuple[str, ...],
    namespace: str,
    out: Path,
    samples: int | None,
    scenarios: tuple[str, ...],
    operator: str,
    arm: bool,
    confirm_area_clear: bool,
    anyway: bool,
    quiet: bool,
    as_json: bool,
    folder_fd: int | None,
) -> int:
    """Run RIG (a name in rig_configs/ or a path), judge it and write its report."""
    from harness.config import find_rig, load_rig
    from harness.progress import Display
    from harness.report import append_step_summary
    from harness.runner import RunOptions, run_rig

    loaded = load_rig(find_rig(rig), overrides, namespace)
    displays: list[Display] = []

    def display(folder: RunFolder) -> Display | None:
        if folder_fd is not None:
            with suppress(OSError):
                os.write(folder_fd, os.fsencode(folder.path.resolve()) + b"\n")
        if quiet or as_json:
            return None
        displays.append(Display(folder.path))
        return displays[-1]

    options = RunOptions(
        out=out,
        samples=samples,
        scenarios=scenarios or None,
        operator=operator,
        armed=arm,
        confirm=(lambda _question: True) if confirm_area_clear else asker({operator}, ()),
        ask=asker({operator, "yes", "y", "done"}, displays),
        anyway=anyway,
    )
    outcome = run_rig(loaded, options, on_folder=display)
    summary = outcome.folder / "summary.md"
    if summary.is_file():
        append_step_summary(summary.read_text(encoding="utf-8"))
    return finish(outcome, quiet=quiet, as_json=as_json)


@cli.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[RIG] [--ros-args ...]")
def node(arguments: tuple[str, ...]) -> int:
    """Be a ROS 2 node that starts, shows and stops runs of RIG (docs/ros2-node.md). Needs ROS 2."""
    from harness.ros.start import start_node

    return start_node(arguments)


@cli.command()
@click.argument("rig", type=RIG)
@SET
@NAMESPACE
def check(rig: str, overrides: tuple[str, ...], namespace: str) -> int:
    """Validate RIG, look at the bench, and say what a run would start and send. Nothing moves."""
    from harness.checking import look
    from harness.config import find_rig, load_rig
    from harness.model import Severity
    from harness.terminal import readiness, show_findings, show_plan

    loaded = load_rig(find_rig(rig), overrides, namespace)
    console = new_console()
    show_plan(console, loaded)
    findings = look(loaded)
    show_findings(console, findings)
    bad = any(finding.severity is Severity.ERROR for finding in findings)
    console.print(readiness(findings), highlight=False)
    return 4 if bad else 0


@cli.command()
@click.argument("rig", type=RIG)
@SET
@click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output, nothing else.")
def plan(rig: str, overrides: tuple[str, ...], as_json: bool) -> int:
    """Tell how many samples and minutes RIG needs, and how its planned run may end. Nothing is started."""
    from harness.plan_command import run_plan

    return run_plan(new_console(), rig, overrides, as_json=as_json)


@cli.command("list")
def list_command() -> int:
    """List the rigs in rig_configs/."""
    from harness.config import list_rigs, load_rig
    from harness.terminal import show_list, shown_path

    rows: list[tuple[str, str, str, str]] = []
    status = 0
    for path in list_rigs():
        try:
            info = load_rig(path).rig.rig
            kind = "simulated" if info.simulated else "REAL"
            rows.append((path.stem, kind, info.description, shown_path(path)))
        except HarnessError as error:
            rows.append((path.stem, "broken", str(error.message).splitlines()[0], shown_path(path)))
            status = error.exit_status
    show_list(new_console(), rows)
    return status


@cli.command()
@click.argument("name")
@click.option("--like", type=RIG, required=True, metavar="RIG", help="The rig to begin with; see list.")
def new(name: str, like: str) -> int:
    """Begin a rig file of one's own: rig_configs/NAME.yaml, a copy of another one."""
    from harness.new_rig import for_a_real_robot, new_rig

    path = new_rig(name, like)
    click.echo(f"wrote {path}: change what is about your robot, then: harness check {path.stem}")
    if lines := for_a_real_robot(path):
        click.echo("it is the rig of a simulated robot; for a real one:")
        for line in lines:
            click.echo(f"  {line}")
    return 0


@cli.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("name", metavar="NAME")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[OPTIONS]")
def sim(name: str, arguments: tuple[str, ...]) -> int:
    """Be a simulated robot: swarm, arm, diff_drive, ... (harness sim NAME --help tells its options)."""
    folder = Path(__file__).parent / "sim"
    known = [each.parent.name for each in folder.glob("*/__main__.py")]
    known += [each.stem for each in folder.glob("*.py") if '__name__ == "__main__"' in each.read_text()]
    if name not in known:
        raise ConfigurationError(
            f"no simulated robot {name!r}", hint=f"there are: {', '.join(sorted(known))}"
        )
    words = [sys.executable, "-m", f"harness.sim.{name}", *arguments]
    os.execv(words[0], words)


@cli.command()
@click.argument("run_dir", type=click.Path(exists=True, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print results.json on standard output, nothing else.")
def report(run_dir: Path, as_json: bool) -> int:
    """Derive and render everything of RUN_DIR again from its raw tables."""
    from harness.conclude import rerender

    return finish(rerender(run_dir), as_json=as_json)


@cli.command()
@click.argument("run_dir", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--rig", type=click.Path(exists=True, path_type=Path), help="Its rig file, where that is elsewhere."
)
@click.option("--operator", default="", metavar="NAME", help="Who runs it; goes into the report.")
@click.option("--arm", is_flag=True, help="Let a real rig move.")
@click.option(
    "--confirm-area-clear",
    is_flag=True,
    help="The operator has confirmed, before this call, that the area is clear and the e-stop at hand.",
)
@click.option("--anyway", is_flag=True, help="As of run: although it cannot pass, or the host is too busy.")
@click.option("--quiet", "-q", is_flag=True, help="No progress; one line at the end.")
def resume(
    run_dir: Path,
    rig: Path | None,
    operator: str,
    arm: bool,
    confirm_area_clear: bool,
    anyway: bool,
    quiet: bool,
) -> int:
    """Go on with the series of trials of RUN_DIR, which was interrupted, under the same plan.

    The rig file has to be what it was. The new run makes the trials that are left; its verdict is over all.
    """
    from harness.progress import Display
    from harness.resuming import prepare
    from harness.runner import RunOptions, run_rig

    resumed = prepare(run_dir, rig)
    displays: list[Display] = []

    def display(folder: RunFolder) -> Display | None:
        if quiet:
            return None
        displays.append(Display(folder.path))
        return displays[-1]

    options = RunOptions(
        out=resumed.folder.path.absolute().parents[1],
        scenarios=tuple(resumed.folder.run["rig"].get("only_scenarios") or ()) or None,
        operator=operator,
        armed=arm,
        confirm=(lambda _question: True) if confirm_area_clear else asker({operator}, ()),
        ask=asker({operator, "yes", "y", "done"}, displays),
        anyway=anyway,
        resumed=resumed,
    )
    return finish(run_rig(resumed.loaded, options, on_folder=display), quiet=quiet)


@cli.command()
@click.argument("run_dir", type=click.Path(exists=True, path_type=Path))
def recover(run_dir: Path) -> int:
    """After a crash: end what the run left behind and write its report, marked aborted."""
    from harness.conclude import recover as recover_run

    return finish(recover_run(run_dir))


@cli.command()
def schema() -> int:
    """Print the JSON Schema of rig files, for editors."""
    from harness.config import rig_schema

    click.echo(json.dumps(rig_schema(), indent=2))
    return 0


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print the completion script of SHELL, e.g. eval "$(harness completion bash)"."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise ConfigurationError(f"no completion for {shell!r}", hint="bash, zsh or fish")
    click.echo(kind(cli, {}, "harness", "_HARNESS_COMPLETE").source())
    return 0


@cli.command()
@click.option("--measure", is_flag=True, help="Time wake-ups and loopback round trips: about a minute.")
@click.option(
    "--seconds",
    type=click.FloatRange(1, 600),
    default=60.0,
    show_default=True,
    help="How long --measure may take.",
)
@click.option("--rig", type=RIG, metavar="RIG", help="Judge the host by what RIG asks of it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output, nothing else.")
def doctor(measure: bool, seconds: float, rig: str | None, as_json: bool) -> int:
    """Look for what makes this host late, and say how to mend it. Nothing is changed."""
    from harness.doctor.command import run_doctor

    return run_doctor(new_console(), measure=measure, seconds=seconds, rig=rig, as_json=as_json)


cli.add_command(alerts)
cli.add_command(board)
cli.add_command(budgets)
cli.add_command(compare)
cli.add_command(dashboard)
cli.add_command(export)
cli.add_command(digest)
cli.add_command(history)
cli.add_command(metrics)
cli.add_command(regressions)
cli.add_command(prune)
cli.add_command(why)


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of ``harness`` and ``python -m harness``; exits with the documented status."""
    from harness.interrupt import Interrupted, end_with_launcher

    try:
        end_with_launcher()
        status = cli.main(
            args=None if argv is None else list(argv), prog_name="harness", standalone_mode=False
        )
    except click.ClickException as error:
        error.show()
        status = 2
    except (click.Abort, Interrupted, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        status = 4
    except SystemExit as ended:
        # Only a reader that has left, as `head` does, brings click here; its status 1 would read as FAIL.
        status = 128 + signal.SIGPIPE if ended.code == 1 else ended.code
    except HarnessError as error:
        click.echo(f"harness: {error}", err=True)
        status = error.exit_status
    sys.exit(status if isinstance(status, int) else 0)


if __name__ == "__main__":
    main()
