"""How every plot looks: size, fonts, colours that the colour-blind and a grey printer can tell apart, plain
ticks.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

# Okabe & Ito 2008, https://jfly.uni-koeln.de/color/; told apart in grey by lightness and by line style as
# well.
BLUE = "#0072B2"
SKY = "#56B4E9"
GREEN = "#009E73"
ORANGE = "#E69F00"
VERMILLION = "#D55E00"
INK = "#1A1A1A"
GREY = "#6B6B6B"
PALE = "#D9D9D9"

WIDTH_IN = 6.69
"""Width of the text block, 170 mm."""

_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: selectable, searchable
    "svg.hashsalt": "harness",  # the same ids for the same input
    "font.family": "DejaVu Sans",
    "font.size": 7,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7,
    "axes.linewidth": 0.5,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": PALE,
    "grid.linewidth": 0.4,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "hatch.linewidth": 0.5,
    "path.simplify": True,
    "text.parse_math": False,  # names of the rig file are text, even with a dollar sign
}


@contextmanager
def drawing(height_in: float, width_in: float = WIDTH_IN) -> Iterator[Figure]:
    """A figure of that size under the report's own settings, whatever the user's matplotlibrc says."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        # A bare Figure has no window and is not kept by pyplot: nothing to close, nothing shared between
        # threads.
        yield Figure(figsize=(width_in, height_in), layout="constrained")


def svg(figure: Figure) -> str:
    """The figure as SVG, the same text for the same figure."""
    out = io.StringIO()
    figure.savefig(out, format="svg", dpi=200, metadata={"Date": None, "Creator": "harness"})
    return out.getvalue()


def plain(value: float) -> str:
    """A tick as plain text; mathematical typesetting in an SVG falls apart into single glyphs."""
    text = f"{value:.10f}".rstrip("0").rstrip(".") if 1e-9 < abs(value) < 1e7 else f"{value:.6g}"
    return text.replace("-", "−")


def _format(text: Callable[[float], str]) -> FuncFormatter:
    return FuncFormatter(lambda value, _position: text(value))


def value_axis(axis: Axis, low: float, high: float) -> bool:
    """Scale an axis for values from ``low`` to ``high``: logarithmic from a factor of four on. True if it
    is.
    """
    logarithmic = low > 0 and high / low >= 4
    if logarithmic:
        axis._set_axes_scale("log")  # type: ignore[attr-defined]
        decades = math.log10(high / low)
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 3 else (1,), numticks=20))
        axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(_format(plain))
    return logarithmic


def share_axis(axis: Axis, lowest: float) -> None:
    """A logarithmic axis of shares from 1 down to the decade of ``lowest``, written as percentages."""
    decades = range(math.floor(math.log10(lowest)), 1)
    axis.set_major_locator(FixedLocator([10.0**decade for decade in decades]))
    axis.set_minor_locator(LogLocator(subs=range(2, 10), numticks=20))
    axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(_format(lambda share: f"{share * 100:.6g} %"))


def count_axis(axis: Axis) -> None:
    """Ticks of a logarithmic axis of counts."""
    axis.set_major_locator(LogLocator(numticks=12))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(_format(lambda count: f"{count:.0f}" if count >= 1 else ""))


def span(*groups: Iterable[float]) -> tuple[float, float]:
    """Smallest and largest finite value of all groups, with a margin; (0, 1) if there are none."""
    values = [value for group in groups for value in group if math.isfinite(value)]
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    if low > 0 and high / low >= 4:
        return low / 1.15, high * 1.3
    margin = 0.06 * (high - low) or 0.05 * abs(high) or 0.5
    return low - margin, high + margin


def remark(
    axes: Axes, x: float, y: float, text: str, *, offset: tuple[float, float] = (0, 0), **look: Any
) -> None:
    """A short text beside a point, readable over whatever is drawn there. ``offset`` in points."""
    halo = {"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 1}
    note = axes.annotate(
        text, (x, y), offset, textcoords="offset points", fontsize=6.5, bbox=halo, zorder=6, **look
    )
    # A long text is cut off by the page, not allowed to shrink the plot.
    note.set_in_layout(False)


def limit_line(axes: Axes, limit_ms: float, label: str, *, vertical: bool) -> None:
    """The limit of a requirement across the plot, dash-dotted, labelled at its end."""
    line: dict[str, Any] = {
        "color": VERMILLION,
        "linewidth": 1.0,
        "linestyle": (0, (6, 2, 1, 2)),
        "zorder": 3,
    }
    if vertical:
        axes.axvline(limit_ms, **line)
        across = axes.get_xaxis_transform()
        look: dict[str, Any] = {"xycoords": across, "ha": "right", "va": "top", "rotation": 90}
        remark(axes, limit_ms, 1.0, label, offset=(-3, -1), color=VERMILLION, **look)
    else:
        axes.axhline(limit_ms, **line)
        along = axes.get_yaxis_transform()
        look = {"xycoords": along, "ha": "right", "va": "top"}
        remark(axes, 1.0, limit_ms, label, offset=(-1, -2.5), color=VERMILLION, **look)
