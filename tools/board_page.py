"""The tables of `docs/board.md` that mirror code: made from it, between marks in a page of prose.

A block stands between `<!-- made: NAME -->` and `<!-- end: NAME -->`; what is between is replaced.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import fields

from droptable.board import drops, event_buffer
from droptable.board.model import Code, Disarmed, Feature, Flag, Kind, StopSource
from droptable.board.params import PARAM_RULES, ParamRule
from droptable.board.verbs import BEATS_BEFORE_COMMANDS, GUARD_ORDER
from droptable.cli.frame_text import (
    BEAT_BITS,
    EVENT_NUMBERS,
    INPUT_BITS,
    OUTPUT_BITS,
    RESET_CAUSES,
    flag_words,
    frame_name,
)
from droptable.link import session
from droptable.link.frames import MIN_FRAME_BYTES
from droptable.link.messages import (
    FROM_BOARD,
    FROM_HOST,
    MAX_PAYLOAD_BYTES,
    Message,
    SectionStatus,
    Text,
    TextLevel,
    Trace,
)
from droptable.link.params import Key, params_crc
from tools.board_examples import PARAMS, bad_lines, good_lines
from tools.board_words import CODE_TEXT, KIND_TEXT, TABLE_KINDS
from tools.states_page import table

_TYPES = {"B": "u8", "H": "u16", "I": "u32", "Q": "u64", "h": "i16", "i": "i32", "8s": "8 bytes"}
_UNITS = {"ms": "ms", "us": "µs", "dn": "0.1 N", "um": "µm", "mv": "mV", "kpa": "kPa"}
_I32 = (-(2**31), 2**31 - 1)


def refreshed(page: str) -> str:
    """`page` with every block made anew. Raises ValueError when a block is missing or unknown."""
    found = re.findall(r"<!-- made: (\S+) -->", page)
    if sorted(found) != sorted(BLOCKS):
        raise ValueError(f"docs/board.md holds {sorted(found)}, but {sorted(BLOCKS)} are made")
    for name, made in BLOCKS.items():
        begin, end = f"<!-- made: {name} -->\n", f"<!-- end: {name} -->"
        before, _, rest = page.partition(begin)
        _, mark, after = rest.partition(end)
        if not mark:
            raise ValueError(f"docs/board.md does not end its block {name}")
        block = "\n".join(made())
        page = f"{before}{begin}{block}\n{end}{after}"
    return page


# Frames


def _frames(kinds: dict[int, type[Message]]) -> Iterator[str]:
    yield ""
    yield from table(
        ("type", "name", "payload", "bytes"),
        (
            (f"0x{number:02X}", frame_name(kind), _payload(kind), _size(kind))
            for number, kind in kinds.items()
        ),
    )


def _payload(kind: type[Message]) -> str:
    if kind is Text:
        return "level u8, text UTF-8"
    types = [_TYPES[letter] for letter in _letters(kind)]
    said = []
    for field in fields(kind):  # type: ignore[arg-type]
        if field.type is SectionStatus or field.type == "SectionStatus":
            parts = [f"{part.name} {types.pop(0)}" for part in fields(SectionStatus)]
            said.append(f"{field.name}: " + ", ".join(parts) + ";")
        elif types:
            name = "count" if field.name == "samples" else field.name
            said.append(f"{name} {types.pop(0)}")
    if kind is Trace:
        said.append("load_dn i16 count times")
    return _thrice(", ".join(said).replace(";,", ";").rstrip(";"))


def _thrice(payload: str) -> str:
    """A STATUS with what its three sections share said once."""
    found = re.search(r", thoracic: (.*); lumbar: \1; pelvic: \1$", payload)
    if found is None:
        return payload
    return f"{payload[: found.start()]}, then for thoracic, lumbar and pelvic: {found.group(1)}"


def _letters(kind: type[Message]) -> list[str]:
    return re.findall(r"\d*[a-zA-Z]", kind.LAYOUT.format.lstrip("<"))


def _size(kind: type[Message]) -> str:
    if kind is Text:
        return f"1 to {MAX_PAYLOAD_BYTES}"
    if kind is Trace:
        return f"{kind.LAYOUT.size} + 2 a sample"
    return str(kind.LAYOUT.size)


# Numbers


def _bits() -> Iterator[str]:
    yield ""
    for name, words in (
        ("BEAT flags", BEAT_BITS),
        ("STATUS flags", flag_words(Flag)),
        ("STATUS inputs", INPUT_BITS),
        ("STATUS outputs", OUTPUT_BITS),
        ("WELCOME features", flag_words(Feature)),
    ):
        yield f"- {name}: " + ", ".join(f"bit {bit} {word}" for bit, word in enumerate(words)) + "."
    causes = ", ".join(f"{number} {word}" for number, word in enumerate(RESET_CAUSES))
    yield f"- reset_cause: {causes}."
    levels = ", ".join(f"{level.value} {level.name.lower()}" for level in TextLevel)
    yield f"- TEXT level: {levels}."
    yield ""


def _codes() -> Iterator[str]:
    yield ""
    yield from table(
        ("order", "no.", "code", "says"),
        (
            (str(place) if code else "", str(code.value), code.name, CODE_TEXT[code])
            for place, code in enumerate((Code.OK, *GUARD_ORDER))
        ),
    )


def _events() -> Iterator[str]:
    yield ""
    yield from table(
        ("kind", "name", "of", "when", "a", "b", "c"),
        (
            (
                str(kind.value),
                kind.name,
                "table" if kind in TABLE_KINDS else "section",
                KIND_TEXT[kind],
                *_numbers(kind),
            )
            for kind in Kind
        ),
    )
    reasons = ", ".join(f"{r.value} {_plain(r.name)}" for r in Disarmed)
    sources = ", ".join(f"{source.value} {_plain(source.name)}" for source in StopSource)
    yield f"Reasons of DISARMED: {reasons}. Sources of STOPPED: {sources}."
    yield ""


def _plain(name: str) -> str:
    return name.lower().replace("_", " ").replace("estop", "e-stop")


def _numbers(kind: Kind) -> tuple[str, str, str]:
    names = [number.name for number in EVENT_NUMBERS[kind]]
    a, b, c = [*names, "", "", ""][:3]
    return a, b, c


def _params() -> Iterator[str]:
    yield ""
    yield from table(
        ("key", "name", "of", "unit", "bounds", "needs", "until it is set"),
        (
            (
                str(key),
                name,
                "table" if rule.table else "section",
                _unit(name),
                _bounds(rule),
                ", ".join(flag_words(rule.needs)) if rule.needs else "",
                str(rule.unset),
            )
            for key, rule in PARAM_RULES.items()
            for name in [Key(key).name.lower()]
        ),
    )


def _unit(name: str) -> str:
    kind = name.rpartition("_")[2]
    if kind == "un":
        return "µN per step" if name.startswith("tension") else "µN per count"
    return _UNITS.get(kind, "steps" if name.startswith("tension") else "counts")


def _bounds(rule: ParamRule) -> str:
    if (rule.minimum, rule.maximum) == _I32:
        return "any" if rule.zero_allowed else "not 0"
    return f"{rule.minimum} to {rule.maximum}"


def _times() -> Iterator[str]:
    yield ""
    yield from table(
        ("what", "value"),
        (
            ("the host sends BEAT every", _ms(session.BEAT_EVERY_US)),
            ("dead-man: silence of the host that ends its session", _ms(session.DEAD_MAN_US)),
            (
                "silence of the board after which the host believes nothing",
                _ms(session.LINK_STALE_US),
            ),
            (
                "a BEAT or COMMAND is discarded as `stale` when older than",
                f"{session.STALE_FRAME_MS} ms",
            ),
            (
                "the offset of the host's clock is looked for in the last",
                _ms(session.OFFSET_WINDOW_US),
            ),
            ("BEATs of a session before a COMMAND may act", str(BEATS_BEFORE_COMMANDS)),
            ("STATUS at least every", _ms(session.STATUS_EVERY_US)),
            ("BOOT, without a live session, every", _ms(session.BOOT_EVERY_US)),
            ("the host sends TIME every", _ms(session.TIME_EVERY_US)),
            ("the oldest events are sent again every", _ms(event_buffer.RESEND_EVERY_US)),
            ("so many of them", str(event_buffer.RESEND_COUNT)),
            ("events kept at least", str(event_buffer.CAPACITY)),
            ("the peak of a DROP is looked for from before its up edge", _ms(drops.PEAK_BEFORE_US)),
            ("a trace has samples", f"{drops.TRACE_TOTAL}, {_ms(drops.SAMPLE_US)} apart"),
            (
                "a decoded frame has bytes",
                f"{MIN_FRAME_BYTES} to {MIN_FRAME_BYTES + MAX_PAYLOAD_BYTES}",
            ),
        ),
    )


def _ms(duration_us: int) -> str:
    return f"{duration_us / 1000:g} ms"


def _examples(lines: Callable[[], Iterator[str]]) -> Iterator[str]:
    yield from ("", "```")
    yield from list(lines())[:-1]
    yield from ("```", "")


def _params_crc() -> Iterator[str]:
    shown = "; ".join(f"section {s}, key {k}: {value}" for (s, k), value in sorted(PARAMS.items()))
    yield f"With {shown}, and nothing else set, params_crc is 0x{params_crc(PARAMS):08X}."


BLOCKS: dict[str, Callable[[], Iterator[str]]] = {
    "frames-host": lambda: _frames(FROM_HOST),
    "frames-board": lambda: _frames(FROM_BOARD),
    "bits": _bits,
    "codes": _codes,
    "events": _events,
    "params": _params,
    "params-crc": _params_crc,
    "times": _times,
    "examples": lambda: _examples(good_lines),
    "bad-examples": lambda: _examples(bad_lines),
}
