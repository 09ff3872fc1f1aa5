"""Pages that are made from the code: what lies in the repository is what the code says today."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from droptable.board.faults import FAULT_RULES, STILL_THERE, STILL_THERE_TEXT
from droptable.board.model import Code, Fault, Kind, Phase, Verb
from droptable.board.params import PARAM_RULES
from droptable.board.rows import AFTER_STOP, BEGINS, ROWS
from droptable.board.verbs import GUARD_ORDER, VERB_RULES
from tools import board_page, states_drawing, states_page
from tools.board_tables import PHASE_TEXT, VERB_TEXT, Transition, outputs_text, transitions
from tools.board_words import CODE_TEXT, KIND_TEXT
from tools.docs import PAGES, ROOT

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("name", PAGES)
def test_what_is_made_from_the_code_is_what_the_code_says(name: str) -> None:
    assert (ROOT / name).read_text() == PAGES[name](), "it is not: run `make docs`"


# Words for everything


@pytest.mark.parametrize(
    ("words", "things"),
    [
        (PHASE_TEXT, Phase),
        (VERB_TEXT, Verb),
        (CODE_TEXT, Code),
        (KIND_TEXT, Kind),
        (STILL_THERE_TEXT, STILL_THERE),
    ],
)
def test_everything_has_its_words(words: dict[int, str], things: type) -> None:
    assert set(words) == set(things)
    assert all(words.values())


def test_every_rule_and_guard_says_when() -> None:
    texts = [rule.text for rule in FAULT_RULES]
    texts += [guard.text for rule in VERB_RULES.values() for guard in rule.guards]
    texts += [row.on for row in ROWS]
    assert all(text and not text.endswith(".") and text[0].islower() for text in texts)


def test_outputs_are_what_a_phase_drives() -> None:
    assert {phase: outputs_text(phase) for phase in Phase if outputs_text(phase) != "none"} == {
        Phase.COCKING: "pin withdrawn; lift once the pin switch is open",
        Phase.LOWERING: "pin withdrawn; lowering valve once the pin switch is open",
        Phase.ARMED: "pin withdrawn",
        Phase.DROPPING: "pin withdrawn while the arming lasts",
    }


# states.md


def test_the_page_tells_every_row_verb_guard_and_fault() -> None:
    page = states_page.page()
    for row in ROWS:
        assert f"| {row.phase.name} | {row.on} |" in page
    for verb, rule in VERB_RULES.items():
        assert f"| {int(verb)} | {verb.name} |" in page
        for guard in rule.guards:
            assert f"| {guard.code.name} | {guard.text} |" in page
    for fault in Fault:
        assert (f"| {int(fault)} | {fault.name} |" in page) == (fault is not Fault.NONE)
    for rule in FAULT_RULES:
        assert f"| {rule.text} |" in page
    assert all(phase.name in page for phase in AFTER_STOP)


def test_the_first_checks_are_those_that_no_verb_makes_itself() -> None:
    own = {guard.code for rule in VERB_RULES.values() for guard in rule.guards}
    assert set(states_page.FIRST_CHECKS) == {*set(GUARD_ORDER) - own, Code.OUT_OF_RANGE}
    assert list(states_page.FIRST_CHECKS) == sorted(states_page.FIRST_CHECKS, key=GUARD_ORDER.index)


# The drawing


@pytest.fixture
def svg() -> ET.Element:
    return ET.fromstring(states_drawing.drawing())


def joined(svg: ET.Element) -> set[tuple[str, str]]:
    return {
        (element.attrib["data-from"], element.attrib["data-to"])
        for element in svg.iter()
        if "data-from" in element.attrib
    }


def test_every_transition_of_the_tables_is_drawn_and_no_other(svg: ET.Element) -> None:
    expected = {(row.phase.name, row.to.name) for row in ROWS}
    expected |= {
        (phase.name, target.name)
        for verb, target in BEGINS.items()
        for phase in VERB_RULES[verb].phases
    }
    expected |= {("UNKNOWN", end) for end in ("LOCKED", "COCKED", "HALTED")}
    expected |= {(at.name, to.name) for at, to in AFTER_STOP.items() if at is not to}
    expected |= {("COCKED", "UNKNOWN"), ("LOCKED", "UNKNOWN"), ("ARMED", "SECURING")}
    expected |= {(phase.name, "FAULT") for rule in FAULT_RULES for phase in rule.phases}
    assert joined(svg) == expected


def test_every_label_and_every_fault_is_there(svg: ET.Element) -> None:
    texts = [text for element in svg.iter(f"{SVG}text") for text in element.itertext()]
    said = " ".join(texts)
    for way in transitions():
        if way.cause != "fault":
            assert way.label in said
    numbers = {
        element.attrib["data-from"]: set("".join(element.itertext()).split())
        for element in svg.iter(f"{SVG}text")
        if element.attrib.get("data-to") == "FAULT" != element.attrib["data-from"]
    }
    for rule in FAULT_RULES:
        for phase in rule.phases:
            assert str(int(rule.fault)) in numbers[phase.name]
    assert {"15", "16"} <= numbers["UNKNOWN"]
    assert "8" not in numbers["COCKED"]


Rectangle = tuple[str, float, float, float, float]


def rectangles(svg: ET.Element) -> Iterator[Rectangle]:
    """What text covers, by the widths of an average sans-serif face, and the boxes of the phases."""
    for element in svg.iter(f"{SVG}text"):
        text = "".join(element.itertext())
        size = {"name": 19, "small": 13}.get(element.attrib["class"], 14)
        width = 0.52 * size * len(text)
        x, y = float(element.attrib["x"]), float(element.attrib["y"])
        x -= {"middle": width / 2, "end": width}.get(element.attrib.get("text-anchor", ""), 0)
        yield text, x, y - 0.75 * size, x + width, y + 0.2 * size


def overlap(one: Rectangle, other: Rectangle) -> bool:
    _, left, top, right, bottom = one
    _, left2, top2, right2, bottom2 = other
    return left < right2 and left2 < right and top < bottom2 and top2 < bottom


def test_no_text_lies_on_another_or_leaves_the_drawing(svg: ET.Element) -> None:
    texts = list(rectangles(svg))
    found = [
        (one[0], other[0])
        for number, one in enumerate(texts)
        for other in texts[:number]
        if overlap(one, other)
    ]
    assert found == []
    for text, left, top, right, bottom in texts:
        assert 0 <= left < right <= states_drawing.WIDTH, text
        assert 0 <= top < bottom <= states_drawing.HEIGHT, text


def test_labels_of_arrows_stay_out_of_the_boxes(svg: ET.Element) -> None:
    boxes = [
        (
            box.attrib.get("stroke", ""),
            float(box.attrib["x"]),
            float(box.attrib["y"]),
            float(box.attrib["x"]) + float(box.attrib["width"]),
            float(box.attrib["y"]) + float(box.attrib["height"]),
        )
        for box in svg.iter(f"{SVG}rect")
        if box.attrib.get("class") == "box"
    ]
    assert len(boxes) == len(Phase)
    labels = [text for text in svg.iter(f"{SVG}text") if "label" in text.attrib["class"]]
    holder = ET.Element("g")
    holder.extend(labels)
    for label in rectangles(holder):
        assert [box for box in boxes if overlap(label, box)] == [], label[0]


def test_a_transition_without_a_route_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    strange = Transition(Phase.LOCKED, Phase.ARMED, "verb", "LEAP")
    monkeypatch.setattr(states_drawing, "transitions", lambda: [*transitions(), strange])
    with pytest.raises(ValueError, match="LOCKED.*ARMED"):
        states_drawing.drawing()


def test_a_route_without_a_transition_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    known = [way for way in transitions() if way.label != "ARM"]
    monkeypatch.setattr(states_drawing, "transitions", lambda: known)
    with pytest.raises(ValueError, match="COCKED.*ARMED"):
        states_drawing.drawing()


def test_the_drawing_brings_its_own_ground(svg: ET.Element) -> None:
    ground = next(svg.iter(f"{SVG}rect"))
    assert ground.attrib["fill"] == "#ffffff"
    assert float(ground.attrib["width"]) == states_drawing.WIDTH


# board.md's blocks


def test_a_block_that_is_unknown_missing_or_not_ended_is_an_error() -> None:
    page = (ROOT / "docs/board.md").read_text()
    broken: list[Callable[[str], str]] = [
        lambda page: page.replace("<!-- made: codes -->", ""),
        lambda page: page.replace("<!-- made: codes -->", "<!-- made: words -->"),
        lambda page: page.replace("<!-- end: codes -->", ""),
        lambda page: page + "<!-- made: codes -->",
    ]
    for breaking in broken:
        with pytest.raises(ValueError, match=r"docs/board\.md"):
            board_page.refreshed(breaking(page))


def test_what_was_changed_by_hand_is_made_anew() -> None:
    page = (ROOT / "docs/board.md").read_text()
    assert board_page.refreshed(page.replace("1000 to 30000", "1000 to 40000")) == page


def test_each_parameter_stands_in_the_page_with_its_bounds() -> None:
    page = (ROOT / "docs/board.md").read_text()
    for key, rule in PARAM_RULES.items():
        (row,) = re.findall(rf"^\| {key} \| [a-z_]+ \| (?:section|table) \|.*$", page, re.MULTILINE)
        if rule.maximum < 2**31 - 1:
            assert f"| {rule.minimum} to {rule.maximum} |" in row


def test_no_svg_is_left_that_nobody_shows() -> None:
    pages = "".join(path.read_text() for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
    assert Path("docs/images/states.svg").name in pages
