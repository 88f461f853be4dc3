"""A plot on its own, as a file that the command line names with ``--plot``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.atomic import replacing
from harness.errors import ConfigurationError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = ("svg", "png", "pdf")


def check_kind(out: Path) -> str:
    """The kind of picture that ``out`` names. Raises ConfigurationError for another one."""
    kind = out.suffix.lstrip(".").lower()
    if kind not in KINDS:
        raise ConfigurationError(
            f"--plot {out}: {out.suffix or 'no ending'} is no kind of picture that can be drawn",
            hint="name a file that ends in .svg, .png or .pdf",
        )
    return kind


def save(drawing: Figure, out: Path) -> None:
    """Write it whole or not at all; the same bytes for the same figure as SVG and PDF.

    Raises ConfigurationError for another kind of file, RecordingError when it cannot be written.
    """
    from harness.report import style

    kind = check_kind(out)
    if kind == "svg":
        data = style.svg(drawing).encode()
        with replacing(out, len(data)) as partial:
            partial.write_bytes(data)
        return
    with replacing(out) as partial:
        about: dict[str, Any] = {"CreationDate": None} if kind == "pdf" else {}
        drawing.savefig(partial, format=kind, dpi=200, metadata=about)
