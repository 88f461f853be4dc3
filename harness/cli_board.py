"""The commands that speak with a bench board by itself, without a rig; see ``docs/bench-board.md``."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from harness.cli_run import new_console

if TYPE_CHECKING:
    from harness.results_base import Distribution


class Pin(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A pin of the board, by the name printed on it; ``name``: input or output."""

    def __init__(self, name: str) -> None:
        self.name = name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Fails for a pin that is none."""
        from harness.rigs.serial_board import options

        known = options.OUTPUTS if self.name == "output" else options.INPUTS
        if value not in known:
            self.fail(f"{value!r} is no {self.name} of the board; there are {', '.join(known)}", param, ctx)
        return str(value)


_port = click.option(
    "--port",
    default="auto",
    show_default=True,
    metavar="PORT",
    help="A path, best in /dev/serial/by-id; auto: the only board on USB; simulated: the one that harness"
    " sim board runs.",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output, nothing else.")
_arm = click.option("--arm", is_flag=True, help="Let a real board drive the output.")
_input = click.option(
    "--input", "into", type=Pin("input"), default="D8", show_default=True, help="Where the wire ends."
)


@click.group()
def board() -> None:
    """Find, test and watch the bench board (docs/bench-board.md)."""


@board.command("list")
@_json
def list_ports(as_json: bool) -> int:
    """List serial ports with their USB ids, and say which look like a board."""
    from harness.rigs.serial_board.line import serial_ports

    found = serial_ports()
    if as_json:
        _print([dataclasses.asdict(each) for each in found])
    elif not found:
        click.echo("no serial port is there; harness sim board simulates a board")
    for each in found if not as_json else ():
        about = [each.usb, each.looks_like, each.serial_number and f"serial number {each.serial_number}"]
        click.echo(f"{each.path}  {', '.join(filter(None, about)) or 'nothing is known of it'}")
        for more in filter(None, (each.stable, each.trouble)):
            click.echo(f"  {more}")
    return 0


@board.command()
@_port
@_json
def identify(port: str, as_json: bool) -> int:
    """Tell which firmware answers, and how fast the line is. Nothing is driven."""
    from harness.rigs.serial_board.line import latency_timer_ms
    from harness.rigs.serial_board.session import Session
    from harness.rigs.serial_board.talk import ping

    with Session(port) as session:
        found = {
            "port": session.path,
            **dataclasses.asdict(session.hello),
            "ping_ms": round(ping(session.link), 3),
            "converter_keeps_bytes_ms": latency_timer_ms(session.path),
        }
    _show(found, as_json)
    return 0


@board.command()
@_port
@click.option("--output", type=Pin("output"), help="Try the wire from here as well; the output is driven.")
@_input
@_arm
@_json
def selftest(port: str, output: str | None, into: str, arm: bool, as_json: bool) -> int:
    """Test line, clock and counters, and a wire with --output. Exit status 4 where one is not well."""
    from harness.rigs.serial_board.session import Session
    from harness.rigs.serial_board.trying import selftest as trials

    bad = False
    kept = []
    with Session(port) as session:
        if output is not None:
            session.may_drive(output, arm)
        for trial in trials(session, output, into):
            bad |= not trial.good
            kept.append(dataclasses.asdict(trial))
            if not as_json:
                click.echo(f"{'well' if trial.good else 'BAD '}  {trial.name}: {trial.found}")
    if as_json:
        _print({"good": not bad, "trials": kept})
    return 4 if bad else 0


@board.command()
@_port
@click.option(
    "--output",
    type=Pin("output"),
    default="D4",
    show_default=True,
    help="Where the wire begins; it is driven.",
)
@_input
@click.option("--count", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Pulses.")
@click.option("--width-ms", type=click.FloatRange(0.01, 1000), default=1.0, show_default=True)
@click.option(
    "--timeout-ms",
    type=click.FloatRange(1, 60_000),
    default=1000.0,
    show_default=True,
    help="No edge until then: lost.",
)
@_arm
@_json
def loopback(
    port: str,
    output: str,
    into: str,
    count: int,
    width_ms: float,
    timeout_ms: float,
    arm: bool,
    as_json: bool,
) -> int:
    """Send pulses through a wire from an output to an input; times of the wire, and there and back."""
    from harness.rigs.serial_board.session import Session
    from harness.rigs.serial_board.trying import loopback as through

    with Session(port) as session:
        session.may_drive(output, arm)
        found = through(session, output, into, count, width_ms, timeout_ms)
    lost = found.sent - found.answered
    if as_json:
        figures = {"wire_ms": found.wire_ms, "there_and_back_ms": found.there_and_back_ms}
        _print(
            {
                "sent": found.sent,
                "answered": found.answered,
                "lost": lost,
                "extra_edges": found.extra_edges,
                **{name: each.model_dump() for name, each in figures.items()},
            }
        )
    else:
        click.echo(
            f"{found.sent} pulses from {output} to {into}: {found.answered} answered, {lost} lost,"
            f" {found.extra_edges} further edges"
        )
        _table(
            {
                "wire, by the board's counter": found.wire_ms,
                "there and back, by this host": found.there_and_back_ms,
            }
        )
    return 4 if lost else 0


@board.command()
@_port
@click.option(
    "--input",
    "pins",
    type=Pin("input"),
    multiple=True,
    help="Which; may be repeated.  [default: all]",
)
@click.option("--pull-up", is_flag=True, help="For a contact to ground.")
@click.option("--debounce-ms", type=click.FloatRange(0, 1000), default=0.0, show_default=True)
@click.option("--count", type=click.IntRange(1), help="End after so many edges.")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="End after so long.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def monitor(
    port: str,
    pins: tuple[str, ...],
    pull_up: bool,
    debounce_ms: float,
    count: int | None,
    seconds: float | None,
    as_json: bool,
) -> int:
    """Show edges of the inputs as they come, until Ctrl-C. Exit status 4 where some were lost."""
    from harness.interrupt import Interrupts
    from harness.rigs.serial_board.options import INPUTS
    from harness.rigs.serial_board.session import Session
    from harness.rigs.serial_board.watching import Watch

    with Interrupts().handled(), Session(port) as session:
        watch = Watch(session, pins or tuple(INPUTS))
        try:
            levels = watch.begin(pull_up, debounce_ms)
            _line({"kind": "levels", **levels}, as_json, "now: " + ", ".join(map(_level, levels.items())))
            for edge in watch.follow(count, seconds):
                _line(edge, as_json, _edge(edge))
        except KeyboardInterrupt:
            pass  # Ctrl-C is how it ends
    _line(
        {"kind": "end", "edges": watch.edges, "lost": watch.lost},
        as_json,
        f"{watch.edges} edges, {watch.lost} lost",
    )
    return 4 if watch.lost else 0


@board.command()
@_port
@_json
def stats(port: str, as_json: bool) -> int:
    """Read what the board has counted since its start. Nothing is driven."""
    from harness.rigs.serial_board.options import INPUTS
    from harness.rigs.serial_board.session import Session

    with Session(port) as session:
        found = dataclasses.asdict(session.statistics())
        found["up_s"] = round(found.pop("now") * session.tick_ns * 1e-9, 3)
    for name in ("edges", "overtaken", "bounces"):
        found[name] = dict(zip(INPUTS, found[name], strict=False))
    _show(found, as_json)
    return 0


def _print(found: Any) -> None:
    click.echo(json.dumps(found, indent=2, allow_nan=False))


def _line(record: Mapping[str, Any], as_json: bool, words: str) -> None:
    click.echo(json.dumps(record) if as_json else words)


def _show(found: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        _print(found)
        return
    width = max(map(len, found))
    for name, value in found.items():
        told = ", ".join(f"{key} {each}" for key, each in value.items()) if isinstance(value, dict) else value
        click.echo(f"{name.replace('_', ' '):<{width}}  {'not known' if told is None else told}")


def _level(named: tuple[str, int]) -> str:
    return f"{named[0]} {'high' if named[1] else 'low'}"


def _edge(edge: Mapping[str, Any]) -> str:
    since = edge["since_last_ms"]
    words = [
        f"{edge['at_s']:12.6f} s  {edge['pin']} {'rises' if edge['level'] else 'falls'}",
        "" if since is None else f"{since:.4f} ms after its last edge",
        "stamped late: the next one came at once" if edge["overtaken"] else "",
        "where it came to rest" if edge["settled"] else "",
    ]
    return "  ".join(filter(None, words))


def _table(rows: Mapping[str, Distribution]) -> None:
    from rich.table import Table

    columns: Sequence[tuple[str, Callable[[Distribution], float | None]]] = (
        ("min", lambda each: each.min),
        ("p50", lambda each: each.p50),
        ("p90", lambda each: each.p90),
        ("p99", lambda each: each.p99),
        ("max", lambda each: each.max),
    )
    table = Table("ms", *(name for name, _ in columns), box=None, pad_edge=False)
    for name, each in rows.items():
        values = (value(each) for _, value in columns)
        table.add_row(name, *("lost" if value is None else f"{value:.4f}" for value in values))
    new_console().print(table, highlight=False)
