"""What a rig file may say about a robot on a serial line."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, field_validator, model_validator

from harness.config.explain import Refusal
from harness.config.port_base import PortBase
from harness.config.problems import DataPath, suggest
from harness.config.schema import DeviceBase, Match, Name, Strict, Value
from harness.config.values import expand_variants
from harness.errors import ConfigurationError
from harness.rigs.serial_text.checksums import Form, Kind
from harness.rigs.serial_text.template import BINARY, CHECKSUM, KEY, Rule, Template, in_bytes, parse

SIMULATED = "simulated"
LARGEST_KEY = 2**63
"""What a step of the set-up sends is numbered by the time in ns."""
NO_STAMP = "what the robot writes carries no stamp of a clock"


class Checksum(Strict):
    """How a message is protected. At `{checksum}` when sent; the pattern's group `checksum` when received."""

    kind: Kind
    after: str = Field(default="", description="it begins behind this text; by default with the message")
    before: str = Field(
        default="", description="the text right before the checksum that is no part of it: `*` in NMEA"
    )
    write: Form = Field(
        default="HEX",
        description="hexadecimal digits, `decimal`, or the bytes themselves, `little` or `big` end first",
    )

    @property
    def rule(self) -> Rule:
        """The same in bytes."""
        return Rule(self.kind, in_bytes(self.after), in_bytes(self.before), self.write)


class StimulusOptions(Strict):
    """A message to the robot."""

    send: str = Field(
        description="the message, with its end: text, `{name}` and `{name:form}` for values, in the forms of"
        " Python (`{speed:.2f}`) or as bytes (`{speed:<h}`, as in its module struct); `{key}` for the number"
        ' of the stimulus, `{checksum}`; a character is a byte, such as "\\x02" in double quotes'
    )
    checksum: Checksum | None = None
    key_modulo: Annotated[int, Field(ge=2)] | None = Field(
        default=None, description="`{key}` counts up to one less and begins with 0 again, as 256 for a byte"
    )
    values: dict[str, Value] = Field(default={})

    @field_validator("send")
    @classmethod
    def _parses(cls, send: str) -> str:
        parse(send)
        return send

    @model_validator(mode="after")
    def _readable(self) -> StimulusOptions:
        if self.key_modulo is not None and not self.template.keyed:
            raise ValueError("key_modulo needs a place {key} in `send`")
        try:
            self.template.check(KEY, (self.key_modulo or LARGEST_KEY) - 1)
        except ValueError as error:
            hint = "lower `key_modulo`" if self.key_modulo else "give `key_modulo`, as 256 for a byte"
            raise ValueError(f"not every number of a stimulus goes into `send`: {error}; {hint}") from error
        return self

    @property
    def template(self) -> Template:
        """The message. Raises ValueError for a text that is none."""
        return Template(self.send, self.checksum.rule if self.checksum is not None else None)

    @property
    def key_kind(self) -> str:
        """Whether the message carries the stimulus's number."""
        return "sequence" if self.template.keyed else "none"


class ResponseOptions(Strict):
    """A message of the robot."""

    pattern: str = Field(
        description="regular expression: of a whole line without its end, or, with `framing: bytes`, of what"
        " is searched for; `(?P<name>...)` names a group; dots match every byte"
    )
    of: Name | None = Field(default=None, description="the stimulus port that is answered, with `sequence`")
    match: Match = Field(description="`path` is the group that carries the key")
    value: str | None = Field(default=None, description="the group that is the signal")
    scale: float = Field(default=1.0, description="the signal is that group times this")
    unpack: dict[str, str] = Field(
        default={}, description="groups that are no text but bytes, as in Python's struct: `{speed: <h}`"
    )
    checksum: Checksum | None = None
    stamp: Literal["first_byte", "last_byte"] = Field(
        default="last_byte", description="whose arrival is that of the message"
    )

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            compiled = re.compile(in_bytes(pattern), re.DOTALL)
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from error
        if compiled.search(b"") is not None:
            raise ValueError("matches nothing at all, and so everything; say what has to be there")
        return pattern

    @field_validator("unpack")
    @classmethod
    def _forms(cls, unpack: dict[str, str]) -> dict[str, str]:
        for group, form in unpack.items():
            if not BINARY.fullmatch(form):
                raise ValueError(
                    f"{group}: {form!r} is none of <b >b <B >B <h >h <H >H <i <I <q <Q <f <d ..."
                )
        return unpack

    @model_validator(mode="after")
    def _groups(self) -> ResponseOptions:
        there = list(self.compiled.groupindex)
        wanted = {
            "match.path": self.match.path,
            "value": self.value,
            **{f"unpack.{g}": g for g in self.unpack},
        }
        if self.checksum is not None:
            wanted["checksum"] = CHECKSUM
        for where, group in wanted.items():
            if group is not None and group not in there:
                raise ValueError(f"{where}: the pattern has no group {group!r}; {suggest(group, there)}")
        if self.match.kind not in ("sequence", "order", "onset", "edge"):
            raise ValueError(
                f"a match of kind {self.match.kind} is not of text; sequence, order, onset or edge is"
            )
        if self.match.kind == "sequence" and (self.match.path is None or self.of is None):
            raise ValueError(
                "`sequence` needs `match.path`, a group of the pattern, and `of`, what is answered"
            )
        if self.match.of_signal and self.value is None:
            raise ValueError(f"a match by {self.match.kind} needs `value`, a group of the pattern")
        return self

    @property
    def compiled(self) -> re.Pattern[bytes]:
        """The pattern, of bytes."""
        return re.compile(in_bytes(self.pattern), re.DOTALL)


class Port(PortBase):
    """A stimulus or a response."""

    stimulus: StimulusOptions | None = None
    response: ResponseOptions | None = None


class Boot(Strict):
    """A robot that starts anew when its port is opened."""

    banner: str = Field(
        description="regular expression of what it says when it is ready; any later one is a restart"
    )
    within_s: PositiveFloat = 5.0
    needed: bool = Field(
        default=True,
        description="false: go on without, since it starts anew only when it was just plugged in",
    )

    @field_validator("banner")
    @classmethod
    def _compiles(cls, banner: str) -> str:
        try:
            re.compile(in_bytes(banner), re.DOTALL)
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from error
        return banner

    @property
    def compiled(self) -> re.Pattern[bytes]:
        """The pattern, of bytes."""
        return re.compile(in_bytes(self.banner), re.DOTALL)


class Options(DeviceBase):
    """Options of a robot on a serial line."""

    adapter: Literal["serial_text"]
    port: str = Field(
        description="the serial port, best by its name in /dev/serial/by-id; `simulated`: that of"
        " `harness sim serial_robot`, started as a process of the rig"
    )
    baud: PositiveInt = 115_200
    data_bits: Literal[5, 6, 7, 8] = 8
    parity: Literal["none", "even", "odd"] = "none"
    stop_bits: Literal[1, 2] = 1
    framing: Literal["lines", "bytes"] = Field(
        default="lines", description="`bytes`: messages have no end of their own, patterns are searched for"
    )
    line_end: Annotated[str, Field(min_length=1)] = Field(
        default="\n", description='of received lines; with "\\n", a "\\r" before it belongs to the end'
    )
    boot: Boot | None = None
    settle_s: NonNegativeFloat = Field(
        default=0.2, description="silence after opening; what comes meanwhile is thrown away"
    )
    ports: dict[Name, Port] = Field(min_length=1)


def problems(options: Options) -> list[Refusal]:
    """What is wrong beyond the shape, told at its line; see :mod:`harness.config.hooks`."""
    found = []
    stimuli = {name: port.stimulus for name, port in options.ports.items() if port.stimulus is not None}
    for name, port in options.ports.items():
        here = ("ports", name)
        if port.stimulus is not None:
            wrong = value_problems(options, name, port.stimulus.values)
            for refusal in wrong:
                path = (*here, "stimulus", "values", *refusal.path)
                found.append(Refusal(path, refusal.message, refusal.of_key))
            if not wrong and not (options.stop is not None and options.stop.port == name):
                found += _whole(port.stimulus, port.stimulus.values, (*here, "stimulus", "send"))
        elif port.response is not None and port.response.of is not None:
            asked = stimuli.get(port.response.of)
            where = (*here, "response", "of")
            if asked is None:
                found.append(
                    Refusal(
                        where, f"no stimulus port {port.response.of!r}; {suggest(port.response.of, stimuli)}"
                    )
                )
            elif port.response.match.keyed and not asked.template.keyed:
                found.append(Refusal(where, f"{port.response.of} sends no {{key}} that could be answered"))
    if options.stop is not None and (stop := stimuli.get(options.stop.port)) is not None:
        if stop.template.keyed:
            found.append(
                Refusal(
                    ("stop", "port"), f"{options.stop.port} counts with {{key}}; a stop needs a port without"
                )
            )
        wrong = value_problems(options, options.stop.port, options.stop.values)
        for refusal in wrong:
            found.append(Refusal(("stop", "values", *refusal.path), refusal.message, refusal.of_key))
        if not wrong and not stop.template.keyed:
            found += _whole(stop, options.stop.values, ("stop", "values"))
    return found


def _whole(stimulus: StimulusOptions, values: dict[str, Any], where: DataPath) -> list[Refusal]:
    """Whether those values make the whole message."""
    missing = [name for name in stimulus.template.names if name not in values]
    if missing:
        return [Refusal(where, f"{', '.join(missing)}: no value is given for that place")]
    try:
        stimulus.template.render(0, expand_variants(values)[0])
    except (ValueError, ConfigurationError) as error:
        return [Refusal(where, str(error))]
    return []


def value_problems(options: Options, port: str, values: dict[str, Any]) -> list[Refusal]:
    """Values that do not go into the message of that port; paths from the values."""
    stimulus = options.ports[port].stimulus
    assert stimulus is not None
    template = stimulus.template
    unknown = [name for name in values if name not in template.names]
    if unknown:
        return [
            Refusal((name,), f"`send` has no place {{{name}}}; {suggest(name, template.names)}", True)
            for name in unknown
        ]
    try:
        variants = expand_variants(values)
    except ConfigurationError:
        return []  # said by whoever reads values
    for variant in variants:
        for name, value in variant.items():
            if isinstance(value, (bool, int, float, str, list)):
                try:
                    template.check(name, value)
                except ValueError as error:
                    return [Refusal((name,), str(error))]
    return []


def arrival_problem(options: Options, port: str) -> str:
    """Why `arrival: stamp` cannot rest on a port of this device."""
    return NO_STAMP
