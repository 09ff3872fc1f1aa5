"""The simulated drop table: three sections and the world around them, in time that the caller moves.

It obeys the board's outputs and shows the board's inputs. It reads no clock, and everything in it
follows from the settings, the seed, and what was driven and done when. Nothing changes by itself
but at `next_event_us`, so a table at rest costs nothing however long it rests.
"""

from collections.abc import Sequence

from droptable.board.model import Inputs, Outputs
from droptable.sections import Section
from firmware_sim.plant.contacts import Contact
from firmware_sim.plant.section import PhysicalDrop, SectionPlant, SectionTruth
from firmware_sim.plant.settings import MechanicsSettings
from firmware_sim.plant.thrust import SAMPLE_US, ThrustShape

__all__ = ["Mechanics", "MechanicsSettings", "PhysicalDrop", "SectionTruth"]

HISTORY_US = 1_500_000
"""How far back the load cells can be asked; a board must reach back one second."""

Plants = tuple[SectionPlant, SectionPlant, SectionPlant]


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
        self._plants: Plants = self._built(seed)
        self._estop, self._pedal, self._stop_button = (
            Contact(self.settings.bounce, f"{seed}/{name}") for name in ("estop", "pedal", "stop")
        )
        self._supply_mv = self.settings.supply_mv
        self._air_kpa = self.settings.air_kpa
        self._first_sample = start_us // SAMPLE_US
        self._next_event_us: int | None = None
        self._shown_until_us = start_us
        self._changed()
        self._shown = self._sensed()

    def _built(self, seed: int) -> Plants:
        thoracic, lumbar, pelvic = (
            SectionPlant(section, of, self.settings.bounce, seed=seed, start_us=self.now_us)
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
        for plant in self._plants:
            if plant.next_event_us == to_us:
                plant.step(to_us)
        for contact in (self._estop, self._pedal, self._stop_button):
            contact.advance(to_us)
        self._changed()

    def _changed(self) -> None:
        moments = (
            *(plant.next_event_us for plant in self._plants),
            *(contact.next_edge_us for contact in (self._estop, self._pedal, self._stop_button)),
        )
        self._next_event_us = min((us for us in moments if us is not None), default=None)
        self._shown_until_us = self.now_us

    # The board's side

    def drive(self, outputs: Outputs) -> None:
        """From now on the board drives these outputs."""
        for plant, wanted in zip(self._plants, outputs, strict=True):
            plant.drive(self.now_us, wanted)
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
        thoracic, lumbar, pelvic = self._plants
        return Inputs(
            sections=(
                thoracic.inputs(self.now_us),
                lumbar.inputs(self.now_us),
                pelvic.inputs(self.now_us),
            ),
            estop_open=self._estop.closed,
            pedal_down=self._pedal.closed,
            stop_button=self._stop_button.closed,
            supply_mv=self._supply_mv,
            air_kpa=self._air_kpa,
        )

    def window(self, section: int, from_us: int, to_us: int, step_us: int) -> Sequence[int | None]:
        """Raw counts of the newest sample at each moment; None where there was or is none yet."""
        plant = self._plants[section]
        oldest_us = max(self.now_us - HISTORY_US, self._first_sample * SAMPLE_US)
        return [
            plant.load_raw(us // SAMPLE_US) if oldest_us <= us <= self.now_us else None
            for us in range(from_us, to_us, step_us)
        ]

    # The world around the table

    def thrust(
        self,
        section: Section,
        *,
        peak_n: float,
        rise_ms: float,
        preload_n: float = 50.0,
        preload_ms: float = 100.0,
        hold_ms: float = 20.0,
        release_ms: float = 120.0,
    ) -> None:
        """Someone begins to thrust; forces are on top of the patient who rests there.

        The hands lean in for `preload_ms`, rise to the peak, hold it, and let go.
        """
        shape = ThrustShape(peak_n, rise_ms, preload_n, preload_ms, hold_ms, release_ms)
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

    def estop(self, opened: bool) -> None:
        """The e-stop chain is opened or closed."""
        self._estop.move(self.now_us, closed=opened)
        self._changed()

    def stop_button(self, down: bool) -> None:
        self._stop_button.move(self.now_us, closed=down)
        self._changed()

    def supply(self, mv: int) -> None:
        self._supply_mv = mv
        self._changed()

    def air(self, kpa: int) -> None:
        self._air_kpa = kpa
        self._changed()

    # The truth, for tests and the world

    def truth(self, section: Section) -> SectionTruth:
        """What the section really does at this moment."""
        return self._plants[section].truth(self.now_us)

    @property
    def drops(self) -> tuple[PhysicalDrop, ...]:
        """The falls from the top that really happened, oldest landing first."""
        falls = (fall for plant in self._plants for fall in plant.drops)
        return tuple(sorted(falls, key=lambda fall: fall.down_edge_us))
