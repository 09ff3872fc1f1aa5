"""`docs/images/states.svg`: the board's transitions as a drawing; places are set by hand, the rest is data.

A route is needed for every pair of phases that the tables join, and a route that no transition uses
is an error, so that the drawing cannot keep what the law has dropped.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from textwrap import wrap

from droptable.board.model import Phase
from tools.board_tables import (
    PHASE_TEXT,
    Cause,
    Transition,
    faults_in,
    outputs_text,
    transitions,
)

WIDTH, HEIGHT = 1240, 900
BOX_W, BOX_H = 206, 112
NARROW_W = 152

PLACES: dict[Phase, tuple[int, int]] = {
    Phase.FAULT: (86, 160),
    Phase.UNKNOWN: (112, 440),
    Phase.LOWERING: (424, 160),
    Phase.HALTED: (424, 440),
    Phase.COCKING: (424, 720),
    Phase.COCKED: (776, 160),
    Phase.SECURING: (776, 440),
    Phase.LOCKED: (776, 720),
    Phase.ARMED: (1128, 160),
    Phase.DROPPING: (1128, 440),
    Phase.DROPPED: (1128, 720),
}
"""Centres. High means up: what is in the upper band is, or begins, at the top."""


@dataclass(frozen=True, slots=True)
class Route:
    """How an arrow runs, and where its label stands: the first line's baseline."""

    path: str
    x: int
    y: int
    anchor: str = "middle"
    chars: int = 22
    """A label is broken after so many characters."""


P = Phase
ROUTES: dict[tuple[Phase, Phase], Route] = {
    (P.FAULT, P.UNKNOWN): Route("M64,216 V384", 72, 300, "start"),
    (P.UNKNOWN, P.COCKED): Route("M186,384 V84 H760 V104", 470, 78, chars=60),
    (P.COCKED, P.UNKNOWN): Route("M796,104 V58 H206 V384", 500, 52, chars=60),
    (P.UNKNOWN, P.LOCKED): Route("M128,496 V800 H760 V776", 470, 794, chars=60),
    (P.LOCKED, P.UNKNOWN): Route("M796,776 V828 H100 V496", 470, 846, chars=60),
    (P.UNKNOWN, P.HALTED): Route("M215,438 H321", 268, 414, chars=11),
    (P.HALTED, P.UNKNOWN): Route("M321,466 H215", 268, 484),
    (P.LOWERING, P.UNKNOWN): Route("M340,216 C330,300 290,370 215,396", 304, 300, "end"),
    (P.COCKING, P.UNKNOWN): Route("M340,664 C330,580 290,514 215,490", 304, 590, "end"),
    (P.LOWERING, P.HALTED): Route("M400,216 V384", 392, 282, "end", 10),
    (P.HALTED, P.LOWERING): Route("M456,384 V216", 464, 306, "start"),
    (P.COCKING, P.HALTED): Route("M400,664 V496", 392, 566, "end", 10),
    (P.HALTED, P.COCKING): Route("M456,496 V664", 464, 586, "start"),
    (P.COCKED, P.LOWERING): Route("M673,160 H527", 600, 152),
    (P.LOCKED, P.COCKING): Route("M673,720 H527", 600, 738),
    (P.LOWERING, P.SECURING): Route("M520,216 L690,384", 624, 264, "start", 12),
    (P.COCKING, P.SECURING): Route("M520,664 L690,496", 606, 606, "start", 12),
    (P.SECURING, P.COCKED): Route("M776,384 V216", 784, 290, "start", 14),
    (P.SECURING, P.LOCKED): Route("M776,496 V664", 784, 574, "start", 14),
    (P.COCKED, P.ARMED): Route("M879,160 H1025", 952, 152),
    (P.ARMED, P.SECURING): Route("M1060,216 L866,384", 984, 296, "start", 14),
    (P.ARMED, P.DROPPING): Route("M1150,216 V384", 1158, 296, "start", 10),
    (P.SECURING, P.DROPPING): Route("M879,440 H1025", 952, 462, chars=17),
    (P.DROPPING, P.DROPPED): Route("M1150,496 V664", 1158, 576, "start", 10),
    (P.DROPPED, P.LOCKED): Route("M1025,720 H879", 952, 738, chars=16),
}

COLOURS: dict[Cause, str] = {
    "verb": "#1556b0",
    "row": "#26323c",
    "stop": "#7a1fa2",
    "fault": "#b3261e",
}
LEGEND: tuple[tuple[Cause, str], ...] = (
    ("verb", "a verb of the host, if no guard refuses it"),
    ("row", "its own switches and time"),
    ("stop", "STOP, e-stop or local button"),
    ("fault", "the number of a fault: from this phase to FAULT"),
)

STYLE = """
text { font-family: "Liberation Sans", Arial, Helvetica, sans-serif; font-size: 14px; fill: #26323c }
.name { font-size: 19px; font-weight: bold }
.small { font-size: 13px }
.label { paint-order: stroke; stroke: #ffffff; stroke-width: 5px; stroke-linejoin: round }
.box { stroke-width: 1.5 }
.way { fill: none; stroke-width: 2 }
.stop { stroke-dasharray: 7 4 }
.verb-text { font-weight: bold }
"""
FILLS: dict[Phase, tuple[str, str]] = {
    Phase.ARMED: ("#fff1d6", "#b26a00"),
    Phase.DROPPING: ("#fff1d6", "#b26a00"),
    Phase.COCKING: ("#e4effb", "#1556b0"),
    Phase.LOWERING: ("#e4effb", "#1556b0"),
    Phase.FAULT: ("#fde7e5", "#b3261e"),
    Phase.UNKNOWN: ("#ececef", "#5b6670"),
    Phase.HALTED: ("#ececef", "#5b6670"),
}
REST = ("#e6f4e8", "#2c7a3a")


def drawing() -> str:
    """The whole SVG. Raises ValueError when the tables and the routes do not fit each other."""
    ways = list(transitions())
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
            "<title>The phases of a section and what leads from one to the next</title>",
            "<!-- Made by `make docs` from the tables of droptable/board; do not edit. -->",
            f"<style>{STYLE}</style>",
            *_markers(),
            f'<rect width="{WIDTH}" height="{HEIGHT}" rx="14" fill="#ffffff"/>',
            *_bands(),
            *(line for phase in Phase for line in _box(phase, ways)),
            *_arrows(ways),
            *_legend(),
            "</svg>",
            "",
        ]
    )


def _markers() -> Iterator[str]:
    yield "<defs>"
    for cause, colour in COLOURS.items():
        yield (
            f'<marker id="{cause}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" '
            f'markerHeight="8" orient="auto-start-reverse">'
            f'<path d="M0,1 L10,5 L0,9 z" fill="{colour}"/></marker>'
        )
    yield "</defs>"


def _bands() -> Iterator[str]:
    for y, text in ((160, "at the top"), (720, "at the bottom")):
        yield f'<rect x="308" y="{y - 68}" width="924" height="136" rx="10" fill="#f3f6f8"/>'
        at = y - 76 if y < HEIGHT / 2 else y + 84
        yield f'<text class="small" x="1228" y="{at}" text-anchor="end" fill="#5b6670">{text}</text>'


def _box(phase: Phase, ways: list[Transition]) -> Iterator[str]:
    x, y = PLACES[phase]
    width = NARROW_W if phase is Phase.FAULT else BOX_W
    fill, edge = FILLS.get(phase, REST)
    yield (
        f'<rect class="box" x="{x - width // 2}" y="{y - BOX_H // 2}" width="{width}" '
        f'height="{BOX_H}" rx="10" fill="{fill}" stroke="{edge}"/>'
    )
    yield f'<text class="name" x="{x}" y="{y - 32}" text-anchor="middle">{phase.name}</text>'
    chars = 32 * width // BOX_W
    lines = [(line, "") for line in wrap(PHASE_TEXT[phase], chars)]
    lines += [(line, "") for line in [_short_outputs(phase)] if line]
    stays = [f"↻ {way.label}" for way in ways if way.source is way.target is phase]
    attributes = f' data-from="{phase.name}" data-to="{phase.name}"'
    lines += [(line, attributes) for label in stays for line in wrap(label, chars)]
    for number, (line, said) in enumerate(lines):
        yield (
            f'<text class="small" x="{x}" y="{y - 13 + 17 * number}" text-anchor="middle"'
            f"{said}>{escape(line)}</text>"
        )
    if faults := faults_in(phase):
        numbers = " ".join(str(int(fault)) for fault in faults)
        yield (
            f'<text class="small" x="{x}" y="{y + BOX_H // 2 - 8}" text-anchor="middle" '
            f'style="fill:{COLOURS["fault"]}" data-from="{phase.name}" data-to="FAULT">'
            f"{numbers}</text>"
        )


def _short_outputs(phase: Phase) -> str:
    said = outputs_text(phase)
    if said == "none":
        return ""
    more = {"lift": ", then lift", "valve": ", then valve", "while": " while armed"}
    return "drives: pin out" + next((text for word, text in more.items() if word in said), "")


def _arrows(ways: list[Transition]) -> Iterator[str]:
    joined: dict[tuple[Phase, Phase], list[Transition]] = {}
    for way in ways:
        if way.source is not way.target and way.cause != "fault":
            joined.setdefault((way.source, way.target), []).append(way)
    if joined.keys() != ROUTES.keys():
        raise ValueError(f"routes and tables differ in {sorted(joined.keys() ^ ROUTES.keys())}")
    drawn = [(route, joined[pair]) for pair, route in ROUTES.items()]
    for route, group in drawn:
        causes = {way.cause for way in group}
        cause = causes.pop() if len(causes) == 1 else "row"
        first = group[0]
        yield (
            f'<path class="way {cause}" d="{route.path}" stroke="{COLOURS[cause]}" '
            f'marker-end="url(#{cause})" data-from="{first.source.name}" '
            f'data-to="{first.target.name}"/>'
        )
    for route, group in drawn:
        yield from _label(route, group)


def _label(route: Route, group: list[Transition]) -> Iterator[str]:
    y = route.y
    for way in group:
        for line in wrap(way.label, route.chars, break_on_hyphens=False):
            yield (
                f'<text class="label {way.cause}-text" x="{route.x}" y="{y}" '
                f'text-anchor="{route.anchor}" style="fill:{COLOURS[way.cause]}">{escape(line)}</text>'
            )
            y += 17


def _legend() -> Iterator[str]:
    x = 24.0
    for cause, text in LEGEND:
        colour = COLOURS[cause]
        if cause == "fault":
            yield f'<text class="small" x="{x}" y="880" style="fill:{colour}">1 4 6</text>'
        else:
            yield (
                f'<path class="way {cause}" d="M{x},875 h34" stroke="{colour}" '
                f'marker-end="url(#{cause})"/>'
            )
        yield f'<text class="small" x="{x + 42}" y="880">{text}</text>'
        x += 42 + 6.5 * len(text) + 22
