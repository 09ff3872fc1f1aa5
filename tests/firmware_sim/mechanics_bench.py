"""What the tests of the mechanics share: quiet tables, and running them from event to event."""

from collections.abc import Iterator
from dataclasses import replace

from droptable.board.model import Inputs, Outputs, SectionOutputs
from droptable.sections import Section
from firmware_sim.mechanics import Mechanics
from firmware_sim.plant.settings import (
    NOMINAL,
    BounceSettings,
    MechanicsSettings,
    SectionSettings,
)

QUIET = SectionSettings(load_noise_n=0.0, friction_n=0.0)
NO_BOUNCE = BounceSettings(max_us=0)
LUMBAR = Section.LUMBAR
TOP_UM = QUIET.drop_height_um


def quiet_table(**section: float) -> Mechanics:
    """Three equal sections, nominal, free of noise, friction and bounce but for what is asked."""
    return Mechanics(MechanicsSettings.alike(replace(QUIET, **section), NO_BOUNCE), seed=1)


def cocked_table(breakaway_n: float, **section: float) -> Mechanics:
    """A quiet table whose sections stand at the top, pins in, tension set."""
    height = int(section.get("drop_height_um", TOP_UM))
    steps = NOMINAL.tension_steps_for(breakaway_n)
    return quiet_table(start_height_um=height, start_tension_steps=steps, **section)


def drive(table: Mechanics, section: Section = LUMBAR, **outputs: bool | int) -> None:
    """Drive one section, the others not; the tension stays where it is unless told."""
    driven: list[SectionOutputs] = []
    for one, sensed in zip(Section, table.inputs().sections, strict=True):
        still = SectionOutputs(tension_steps=sensed.tension_steps)
        driven.append(replace(still, **outputs) if one is section else still)
    thoracic, lumbar, pelvic = driven
    wanted: Outputs = (thoracic, lumbar, pelvic)
    table.drive(wanted)


def events(table: Mechanics, until_us: int) -> Iterator[tuple[int, Inputs]]:
    """Run to `until_us`, stopping at every event."""
    while (due_us := table.next_event_us()) is not None and due_us <= until_us:
        table.advance(due_us)
        yield due_us, table.inputs()
    table.advance(until_us)


def run_for(table: Mechanics, ms: float) -> None:
    for _ in events(table, table.now_us + round(ms * 1_000)):
        pass


def rest(table: Mechanics, limit_ms: int = 10_000) -> None:
    """Run until nothing changes by itself."""
    for _ in events(table, table.now_us + limit_ms * 1_000):
        if table.next_event_us() is None:
            return
    assert table.next_event_us() is None, "the table does not come to rest"


def armed_table(breakaway_n: float, **section: float) -> Mechanics:
    """A cocked table whose lumbar pin is withdrawn."""
    table = cocked_table(breakaway_n, **section)
    drive(table, pin_withdrawn=True)
    rest(table)
    return table


def switches(table: Mechanics, section: Section = LUMBAR) -> tuple[bool, bool, bool]:
    sensed = table.inputs().sections[section]
    return sensed.up, sensed.down, sensed.pin
