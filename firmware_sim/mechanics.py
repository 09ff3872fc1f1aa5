"""The simulated drop table: three sections and the world around them, in time that the caller moves.

It obeys the board's outputs and shows the board's inputs. It reads no clock, and everything in it
follows from the settings, the seed, and what was driven and done when. Nothing changes by itself
but at `next_event_us`, so a table at rest costs nothing however long it rests.
"""

from collections.abc import Iterator, Sequence

from droptable.board.model import Inputs, Outputs
from droptable.sections import Section
from firmware_sim.faults import Line, Sags, SetFault
from firmware_sim.harness import Harness
from firmware_sim.history import Change, History
from firmware_sim.plant.air import Air
from firmware_sim.plant.contacts import Contact
from firmware_sim.plant.section import SectionPlant
from firmware_sim.plant.settings import MechanicsSettings
from firmware_sim.plant.thrust import MANUAL, SAMPLE_US, ThrustShape
from firmware_sim.plant.truth import PhysicalDrop, SectionTruth

__all__ = ["Mechanics", "MechanicsSettings", "PhysicalDrop", "SectionTruth"]

HISTORY_US = 1_500_000
"""How far back the load cells can be asked; a board must reach back one second."""

FLUTTER_US = 15_000
"""From one move of a fluttering pedal to the next: slow enough for the board to believe each."""

Plants = tuple[SectionPlant, SectionPlant, SectionPlant]
Harnesses = tuple[Harness, Harness, Harness]


class Mechanics:
    """The table; also the `LoadHistory` of its own load cells.

    Lengths are micrometres above the bottom stop, forces newtons, times microseconds of the
    board's clock.
    """

    def __init__(
        self, settings: MechanicsSettings | None = None, *, seed: int, start_us: int = 0
    ) -> None:
        self.settings = settings or MechanicsSettings()
        self.now_us = start_us
        self._air = Air(
            self.settings.air_kpa,
            refill_kpa_s=self.settings.air_refill_kpa_s,
            stroke_kpa_s=self.settings.air_stroke_kpa_s,
        )
        self._plants: Plants = self._built(seed)
        thoracic, lumbar, pelvic = map(Harness, self._plants)
        self._harnesses: Harnesses = (thoracic, lumbar, pelvic)
        self._sagging: dict[Line, SetFault] = {}
        self._history = History()
        self._estop, self._pedal, self._stop_button = (
            Contact(self.settings.bounce, f"{seed}/{name}") for name in ("estop", "pedal", "stop")
        )
        self._lifts: list[SectionPlant] = []
        """Those whose lift has power."""
        self._supply_mv = self.settings.supply_mv
        self._first_sample = start_us // SAMPLE_US
        self._next_event_us: int | None = None
        self._shown_until_us = start_us
        self._changed()
        self._shown = self._sensed()

    def _built(self, seed: int) -> Plants:
        thoracic, lumbar, pelvic = (
            SectionPlant(
                section, of, self.settings.bounce, self._air, seed=seed, start_us=self.now_us
            )
            for section, of in zip(Section, self.settings.sections, strict=True)
        )
        return thoracic, lumbar, pelvic

    # Time

    def next_event_us(self) -> int | None:
        """When the inputs change next by themselves; None: never, as all is at rest.

        The noise of a load at rest is no event: who looks later sees the newest sample.
        """
        return self._next_event_us

    def advance(self, to_us: int) -> None:
        """Let time pass. ValueError when `to_us` lies in the past or beyond the next event."""
        due_us = self._next_event_us
        if to_us < self.now_us:
            raise ValueError(f"time does not go back from {self.now_us} to {to_us}")
        if due_us is None or to_us < due_us:
            self.now_us = to_us
            return
        if to_us > due_us:
            raise ValueError(f"{to_us} lies beyond the next event at {due_us}")
        self.now_us = to_us
        for section, plant in zip(Section, self._plants, strict=True):
            if plant.next_event_us == to_us:
                plant.step(to_us)
                self._note(section)
        for contact in (self._estop, self._pedal, self._stop_button):
            contact.advance(to_us)
        if self._lifts:
            self._breathe()
        self._look_ahead()

    def _changed(self) -> None:
        """Someone did something, to whatever section it was."""
        self._lifts = [plant for plant in self._plants if plant.lift_driven]
        self._breathe()
        for section in Section:
            self._note(section)
        self._look_ahead()

    def _note(self, section: Section) -> None:
        self._history.note(self.now_us, section, self._harnesses[section].signals(self.now_us))

    def _look_ahead(self) -> None:
        moments = (
            *(plant.next_event_us for plant in self._plants),
            *(contact.next_edge_us for contact in (self._estop, self._pedal, self._stop_button)),
        )
        self._next_event_us = min((us for us in moments if us is not None), default=None)
        self._shown_until_us = self.now_us

    def _breathe(self) -> None:
        """Let the pressure follow the lifts, and those lifts the pressure that only hold on to it."""
        rising = sum(plant.rises(self.now_us) for plant in self._lifts)
        if self._air.lifts(self.now_us, rising):
            self._tell_lifts()

    def _tell_lifts(self) -> None:
        """The pressure goes on otherwise than a lift that drives has reckoned."""
        for plant in self._lifts:
            plant.step(self.now_us)

    # The board's side

    def drive(self, outputs: Outputs) -> None:
        """From now on the board drives these outputs."""
        if outputs == self.driven:
            return
        for harness, wanted in zip(self._harnesses, outputs, strict=True):
            harness.drive(self.now_us, wanted)
        self._changed()

    def inputs(self) -> Inputs:
        """All that the board senses now."""
        if self.now_us >= self._shown_until_us:
            self._shown = self._sensed()
            moves = any(plant.tension_moves(self.now_us) for plant in self._plants)
            lasts_us = 1 if moves else SAMPLE_US - self.now_us % SAMPLE_US
            self._shown_until_us = self.now_us + lasts_us
        return self._shown

    def _sensed(self) -> Inputs:
        thoracic, lumbar, pelvic = self._harnesses
        return Inputs(
            sections=(
                thoracic.sensed(self.now_us),
                lumbar.sensed(self.now_us),
                pelvic.sensed(self.now_us),
            ),
            estop_open=self._estop.closed,
            pedal_down=self._pedal.closed,
            stop_button=self._stop_button.closed,
            supply_mv=self._supplied_mv(),
            air_kpa=self._air.shown_kpa(self.now_us),
        )

    def _supplied_mv(self) -> int:
        fault = self._sagging.get(Line.SUPPLY)
        return self._supply_mv if fault is None else min(self._supply_mv, round(fault.value))

    def window(self, section: int, from_us: int, to_us: int, step_us: int) -> Sequence[int | None]:
        """Raw counts of the newest sample at each moment; None where there was or is none yet."""
        harness = self._harnesses[section]
        oldest_us = max(self.now_us - HISTORY_US, self._first_sample * SAMPLE_US)
        return [
            harness.load_raw(us // SAMPLE_US) if oldest_us <= us <= self.now_us else None
            for us in range(from_us, to_us, step_us)
        ]

    # The world around the table

    def thrust(
        self,
        section: Section,
        *,
        peak_n: float,
        rise_ms: float,
        preload_n: float = MANUAL.preload_n,
        preload_ms: float = MANUAL.preload_ms,
        hold_ms: float = MANUAL.hold_ms,
        release_ms: float = MANUAL.release_ms,
    ) -> None:
        """Someone begins to thrust; forces are on top of the patient who rests there.

        The hands lean in for `preload_ms`, rise to the peak, hold it, and let go.
        """
        shape = ThrustShape(peak_n, rise_ms, preload_n, preload_ms, hold_ms, release_ms)
        self.thrust_like(section, shape)

    def thrust_like(self, section: Section, shape: ThrustShape) -> None:
        """Someone begins a thrust of this shape."""
        self._plants[section].thrust(self.now_us, shape)
        self._changed()

    def patient(self, load_n: tuple[float, float, float] | None) -> None:
        """A patient lies down and rests with these loads; None: nobody lies on the table."""
        for plant, rest_n in zip(self._plants, load_n or (0.0, 0.0, 0.0), strict=True):
            plant.patient(self.now_us, rest_n)
        self._changed()

    def pedal(self, down: bool) -> None:
        self._pedal.move(self.now_us, closed=down)
        self._changed()

    def flutter_pedal(self, times: int) -> None:
        """A loose pedal moves up or down so often by itself, an even number, and ends as it is."""
        self._pedal.flutter(self.now_us, times, FLUTTER_US)
        self._changed()

    def estop(self, opened: bool) -> None:
        """The e-stop chain is opened or closed."""
        self._estop.move(self.now_us, closed=opened)
        self._changed()

    def stop_button(self, down: bool) -> None:
        self._stop_button.move(self.now_us, closed=down)
        self._changed()

    def hand(self, section: Section, height_um: int | None) -> None:
        """A hand is in the section's gap at this height; None: it is out again."""
        self._plants[section].hand(self.now_us, height_um)
        self._changed()

    def supply(self, mv: int) -> None:
        self._supply_mv = mv
        self._changed()

    def air(self, kpa: int) -> None:
        """The compressor gives this pressure from now on, and the reservoir has it at once."""
        self._air.supplied(self.now_us, kpa)
        self._tell_lifts()
        self._changed()

    # What is wrong with the table

    @property
    def faults(self) -> tuple[SetFault, ...]:
        """The faults that are there: of the sections, then of the table."""
        of_sections = (fault for harness in self._harnesses for fault in harness.faults)
        return (*of_sections, *self._sagging.values())

    def set_fault(self, fault: SetFault) -> None:
        """Let something be wrong from now on; a fault of the board is none of the table's."""
        if fault.section is not None:
            self._harnesses[fault.section].set_fault(self.now_us, fault)
        elif isinstance(fault.fault.act, Sags):
            self._sagging[fault.fault.act.line] = fault
            self._sag()
        self._changed()

    def clear_fault(self, fault: SetFault) -> None:
        """It is gone from now on, if it was there."""
        if fault.section is not None:
            self._harnesses[fault.section].clear_fault(self.now_us, fault.fault.name)
        elif isinstance(fault.fault.act, Sags):
            self._sagging.pop(fault.fault.act.line, None)
            self._sag()
        self._changed()

    def _sag(self) -> None:
        fault = self._sagging.get(Line.AIR)
        self._air.no_higher(None if fault is None else fault.value)
        self._tell_lifts()

    # The truth, for tests and the world

    def history(self, after_us: int) -> Iterator[Change]:
        """The newest changes of coils and switches that came later than `after_us`."""
        return self._history.after(after_us)

    @property
    def driven(self) -> Outputs:
        """What the board drives, whatever of it arrives."""
        thoracic, lumbar, pelvic = self._harnesses
        return thoracic.driven, lumbar.driven, pelvic.driven

    def truth(self, section: Section) -> SectionTruth:
        """What the section really does at this moment."""
        return self._plants[section].truth(self.now_us)

    @property
    def drops(self) -> tuple[PhysicalDrop, ...]:
        """The falls from the top that really happened, oldest landing first."""
        falls = (fall for plant in self._plants for fall in plant.drops)
        return tuple(sorted(falls, key=lambda fall: fall.down_edge_us))
