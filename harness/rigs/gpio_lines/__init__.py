"""GPIO lines of a Linux board computer: outputs that are driven, edges that the kernel stamps. See
``docs/gpio-lines.md``."""

from harness.rigs.gpio_lines.device import GpioLines
from harness.rigs.gpio_lines.options import Options, arrival_problem, problems, value_problems

__all__ = ["GpioLines", "Options", "arrival_problem", "problems", "value_problems"]
