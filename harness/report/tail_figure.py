"""The threshold stability plot of the appendix."""

from __future__ import annotations

import numpy as np

from harness.analysis.tail import Tail
from harness.report import style


def stability(fitted: Tail) -> str:
    """Shape against threshold (in ms, as fitted), each with its interval; the one used is filled. SVG."""
    thresholds = np.array([fit.threshold for fit in fitted.fits])
    shapes = np.array([fit.shape for fit in fitted.fits])
    low, high = np.array(fitted.intervals).T
    # A bootstrap moved to the maximum-likelihood estimate may lie beside it where clusters are few.
    reach = np.maximum(0.0, np.array([shapes - low, high - shapes]))
    with style.drawing(2.0) as figure:
        axes = figure.subplots()
        axes.axhline(0, color=style.GREY, linewidth=0.6, linestyle=":")
        look = {"color": style.BLUE, "capsize": 2.5, "linewidth": 0.9, "markersize": 4}
        axes.errorbar(thresholds, shapes, reach, fmt="o", markerfacecolor="white", **look)  # type: ignore[arg-type]
        for fit in fitted.fits:
            if fit is fitted.chosen:
                axes.plot(fit.threshold, fit.shape, "o", color=style.BLUE, markersize=4, zorder=5)
            label = f"{fit.clusters}"
            style.remark(axes, fit.threshold, fit.shape, label, offset=(4, 4), color=style.GREY)
        axes.xaxis.set_major_formatter(lambda value, _position: style.plain(value))
        axes.yaxis.set_major_formatter(lambda value, _position: style.plain(round(value, 6)))
        axes.margins(x=0.06)
        axes.set_xlabel("threshold in ms (numbers: clusters above it)")
        axes.set_ylabel("shape ξ")
        return style.svg(figure)
