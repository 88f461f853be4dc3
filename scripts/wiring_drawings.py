"""Draw docs/images/wiring-*.svg, the circuits of the wiring pages.

python scripts/wiring_drawings.py        write the drawings
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
Point = tuple[float, float]


class Sheet:
    """One drawing; y grows downwards, a unit is a pixel."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self._size = (width, height)
        self._parts = [f"<title>{escape(title)}</title>"]

    def svg(self) -> str:
        """The whole file."""
        width, height = self._size
        style = (
            "svg{background:#fff}text{font:13px sans-serif;fill:#111}.s{font-size:11px;fill:#444}"
            ".b{font-weight:bold}path,circle,rect{fill:none;stroke:#111;stroke-width:1.6}"
            ".d{stroke-dasharray:5 4;stroke:#666}.f{fill:#111}.l{stroke:#b45309}"
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
            f' height="{height}"><style>{style}</style>\n' + "\n".join(self._parts) + "\n</svg>\n"
        )

    def path(self, d: str, kind: str = "") -> None:
        """Any line."""
        self._parts.append(f'<path d="{d}"' + (f' class="{kind}"' if kind else "") + "/>")

    def wire(self, points: Sequence[Point], kind: str = "") -> None:
        """From point to point."""
        self.path("M" + " L".join(f"{x:g} {y:g}" for x, y in points), kind)

    def dot(self, x: float, y: float) -> None:
        """Wires that are joined."""
        self._parts.append(f'<circle cx="{x:g}" cy="{y:g}" r="3" class="f"/>')

    def text(self, x: float, y: float, words: str, anchor: str = "start", kind: str = "") -> None:
        """One line of words; the point is on its base line."""
        look = f' class="{kind}"' if kind else ""
        self._parts.append(f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{look}>{escape(words)}</text>')

    def box(self, x: float, y: float, width: float, height: float, title: str, kind: str = "") -> None:
        """A device, its name at its top."""
        look = f' class="{kind}"' if kind else ""
        self._parts.append(f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6"{look}/>')
        self.text(x + width / 2, y + 18, title, "middle", "b")

    def pin(self, x: float, y: float, name: str, side: str) -> None:
        """A pin of a box: its name inside."""
        self._parts.append(f'<circle cx="{x:g}" cy="{y:g}" r="3.5"/>')
        inside = x + (9 if side == "left" else -9)
        self.text(inside, y + 4.5, name, "start" if side == "left" else "end")

    def across(self, x: float, y: float, label: str) -> None:
        """A resistor from x to x + 50."""
        self._parts.append(f'<rect x="{x + 5:g}" y="{y - 7:g}" width="40" height="14"/>')
        self.wire([(x, y), (x + 5, y)])
        self.wire([(x + 45, y), (x + 50, y)])
        self.text(x + 25, y - 12, label, "middle")

    def down(self, x: float, y: float, label: str) -> None:
        """A resistor from y to y + 50."""
        self._parts.append(f'<rect x="{x - 7:g}" y="{y + 5:g}" width="14" height="40"/>')
        self.wire([(x, y), (x, y + 5)])
        self.wire([(x, y + 45), (x, y + 50)])
        self.text(x + 12, y + 29, label)

    def capacitor(self, x: float, y: float, label: str) -> None:
        """From y to y + 50."""
        self.wire([(x, y), (x, y + 22)])
        self.wire([(x - 12, y + 22), (x + 12, y + 22)])
        self.wire([(x - 12, y + 29), (x + 12, y + 29)])
        self.wire([(x, y + 29), (x, y + 50)])
        self.text(x + 17, y + 30, label)

    def ground(self, x: float, y: float) -> None:
        """The board's ground."""
        self.wire([(x, y), (x, y + 8)])
        for half, at in ((11, 8), (7, 13), (3, 18)):
            self.wire([(x - half, y + at), (x + half, y + at)])

    def diode(self, x: float, y: float, up: bool = False) -> None:
        """From y to y + 40; conducts downwards, or ``up``."""
        tip, base = (y + 10, y + 30) if up else (y + 30, y + 10)
        self.wire([(x, y), (x, y + 10)])
        self.wire([(x, y + 30), (x, y + 40)])
        self.path(f"M{x - 10:g} {base:g} L{x + 10:g} {base:g} L{x:g} {tip:g} Z")
        self.wire([(x - 10, tip), (x + 10, tip)])

    def light(self, x: float, y: float) -> None:
        """Two arrows to the right."""
        for at in (y, y + 12):
            self.path(f"M{x:g} {at:g} L{x + 34:g} {at:g} m-8 -4 l8 4 l-8 4", "l")

    def transistor(self, x: float, y: float, base: bool = True) -> None:
        """NPN: collector at (x + 20, y - 30), emitter at (x + 20, y + 30), base at (x - 20, y)."""
        self._parts.append(f'<circle cx="{x + 8:g}" cy="{y:g}" r="22"/>')
        self.wire([(x, y - 13), (x, y + 13)])
        if base:
            self.wire([(x - 20, y), (x, y)])
        self.wire([(x, y - 5), (x + 20, y - 16), (x + 20, y - 30)])
        self.wire([(x, y + 5), (x + 20, y + 16), (x + 20, y + 30)])
        self.path(f"M{x + 17:g} {y + 14:g} l-9 -1 l5 -6 Z", "f")


def photodiode() -> str:
    """A phototransistor on a status LED, and a filter for one that is dimmed."""
    sheet = Sheet(760, 320, "A phototransistor on a status LED, to the bench board")
    sheet.box(20, 60, 130, 150, "robot")
    sheet.diode(85, 110)
    sheet.text(85, 195, "status LED", "middle", "s")
    sheet.box(160, 92, 170, 92, "", "d")
    sheet.text(282, 84, "black tube, no other light", "end", "s")
    sheet.light(172, 130)
    sheet.transistor(270, 140, base=False)
    sheet.text(238, 178, "T1", "middle", "s")
    sheet.wire([(290, 110), (290, 60), (616, 60)])
    sheet.wire([(290, 170), (290, 210)])
    sheet.dot(290, 200)
    sheet.down(290, 210, "R1 1 kΩ")
    sheet.ground(290, 260)
    sheet.wire([(290, 200), (400, 200)])
    sheet.across(400, 200, "R2 10 kΩ")
    sheet.wire([(450, 200), (616, 200)])
    sheet.dot(490, 200)
    sheet.capacitor(490, 200, "C1")
    sheet.ground(490, 250)
    sheet.box(385, 165, 170, 115, "", "d")
    sheet.text(470, 158, "only for a dimmed LED", "middle", "s")
    sheet.box(620, 20, 120, 270, "bench board")
    sheet.pin(620, 60, "5V", "left")
    sheet.pin(620, 200, "A0 (or D8)", "left")
    sheet.pin(620, 262, "GND", "left")
    sheet.wire([(616, 262), (585, 262), (585, 270)])
    sheet.ground(585, 270)
    return sheet.svg()


def relay() -> str:
    """A relay in the enable line, with its driver, and its second pole as a witness."""
    sheet = Sheet(760, 350, "A relay in a robot's enable line, driven by the bench board")
    sheet.box(20, 20, 120, 310, "bench board")
    sheet.pin(140, 60, "5V", "right")
    sheet.pin(140, 200, "D10", "right")
    sheet.pin(140, 262, "GND", "right")
    sheet.pin(140, 305, "D8", "right")
    sheet.wire([(144, 262), (170, 262), (170, 268)])
    sheet.ground(170, 268)
    sheet.wire([(144, 200), (165, 200)])
    sheet.across(165, 200, "R1 1 kΩ")
    sheet.wire([(215, 200), (290, 200)])
    sheet.dot(240, 200)
    sheet.down(240, 200, "R2")
    sheet.text(252, 244, "10 kΩ")
    sheet.ground(240, 250)
    sheet.transistor(310, 200)
    sheet.text(346, 206, "T1", "start", "s")
    sheet.wire([(330, 230), (330, 250)])
    sheet.ground(330, 250)
    sheet.wire([(144, 60), (330, 60), (330, 85)])
    sheet.dot(330, 70)
    sheet.wire([(330, 70), (400, 70), (400, 90)])
    sheet.box(310, 85, 40, 50, "")
    sheet.text(302, 114, "K1", "end")
    sheet.wire([(330, 135), (330, 170)])
    sheet.diode(400, 90, up=True)
    sheet.text(416, 108, "D1")
    sheet.wire([(400, 130), (400, 150), (330, 150)])
    sheet.dot(330, 150)
    # The contacts, drawn with the coil off: the enable line is closed.
    sheet.wire([(350, 125), (490, 125), (490, 295)], "d")
    sheet.wire([(490, 150), (544, 150)], "d")
    sheet.box(640, 50, 100, 170, "robot")
    sheet.pin(640, 110, "enable +", "left")
    sheet.pin(640, 190, "enable in", "left")
    sheet.wire([(636, 110), (550, 110), (550, 132), (535, 132)])
    sheet.wire([(550, 168), (539, 126)])
    sheet.wire([(550, 168), (550, 190), (636, 190)])
    sheet.text(560, 146, "K1a, closed", "start", "s")
    sheet.text(560, 160, "at rest", "start", "s")
    sheet.wire([(144, 305), (470, 305)])
    sheet.wire([(470, 305), (512, 285)])
    sheet.wire([(516, 297), (516, 313)])
    sheet.wire([(516, 305), (550, 305), (550, 312)])
    sheet.ground(550, 312)
    sheet.text(480, 330, "K1b, open at rest", "middle", "s")
    sheet.text(300, 298, "tells when the contact really moved (pull_up: true)", "middle", "s")
    return sheet.svg()


def robot_gpio() -> str:
    """A pin of the robot through an optocoupler."""
    sheet = Sheet(760, 300, "A pin of the robot, through an optocoupler, to the bench board")
    sheet.box(20, 40, 120, 200, "robot")
    sheet.pin(140, 100, "OUT", "right")
    sheet.pin(140, 200, "GND", "right")
    sheet.wire([(144, 100), (190, 100)])
    sheet.across(190, 100, "R1")
    sheet.wire([(240, 100), (320, 100), (320, 130)])
    sheet.diode(320, 130)
    sheet.wire([(320, 170), (320, 200), (144, 200)])
    sheet.box(290, 82, 170, 140, "")
    sheet.text(292, 238, "U1, optocoupler", "start", "s")
    sheet.light(342, 144)
    sheet.transistor(410, 150, base=False)
    sheet.wire([(388, 20), (388, 280)], "d")
    sheet.text(380, 32, "the robot's ground", "end", "s")
    sheet.text(396, 32, "the board's ground", "start", "s")
    sheet.wire([(430, 120), (430, 100), (616, 100)])
    sheet.dot(540, 100)
    sheet.wire([(430, 180), (430, 200), (616, 200)])
    sheet.wire([(540, 50), (616, 50)])
    sheet.down(540, 50, "R2 4.7 kΩ")
    sheet.box(620, 20, 120, 230, "bench board")
    sheet.pin(620, 50, "5V", "left")
    sheet.pin(620, 100, "D8", "left")
    sheet.pin(620, 200, "GND", "left")
    return sheet.svg()


DRAWINGS = {"photodiode": photodiode, "relay": relay, "robot-gpio": robot_gpio}


def main() -> None:
    """Write them."""
    for name, draw in DRAWINGS.items():
        (IMAGES / f"wiring-{name}.svg").write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main()
