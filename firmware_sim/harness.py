"""The harness of one section: every signal between its plant and the board passes here, and every
fault of the section sits here.

A section without faults is passed through untouched. What a fault changes is data of `faults.py`;
this only keeps which are set, and since when.
"""

from dataclasses import dataclass, replace

from droptable.board.model import SectionInputs, SectionOutputs
from firmware_sim.faults import Drives, Senses, SetFault, Wears, Weighs
from firmware_sim.history import Signals
from firmware_sim.plant.load_cell import Reading
from firmware_sim.plant.section import SectionPlant
from firmware_sim.plant.thrust import MEMORY_US, SAMPLE_US


@dataclass(frozen=True, slots=True)
class _Spell:
    """A stretch of time in which something is wrong with the load cell."""

    fault: SetFault
    act: Weighs
    from_sample: int
    until_sample: int | None = None
    """The first sample that is sound again."""

    def covers(self, sample: int) -> bool:
        return self.from_sample <= sample and (
            self.until_sample is None or sample < self.until_sample
        )


class Harness:
    """The wires of one section. Times never go back."""

    def __init__(self, plant: SectionPlant) -> None:
        self.plant = plant
        self.driven = SectionOutputs(tension_steps=plant.settings.start_tension_steps)
        """What the board drives, whatever of it arrives."""
        self._sound_parts = plant.settings
        self._set: dict[str, SetFault] = {}
        self._spells: tuple[_Spell, ...] = ()

    @property
    def faults(self) -> tuple[SetFault, ...]:
        return tuple(self._set.values())

    # What is wrong

    def set_fault(self, now_us: int, fault: SetFault) -> None:
        """From now on; one of that name which is already there becomes as bad as this one."""
        if self._set.get(fault.fault.name) == fault:
            return
        self.clear_fault(now_us, fault.fault.name)
        self._set[fault.fault.name] = fault
        if isinstance(fault.fault.act, Weighs):
            spell = _Spell(fault, fault.fault.act, self._next_sample(now_us))
            self._spells = (*self._recent(now_us), spell)
        self._settle(now_us)

    def clear_fault(self, now_us: int, name: str) -> None:
        """The fault is gone from now on, if it was there."""
        fault = self._set.pop(name, None)
        if fault is None:
            return
        until_sample = self._next_sample(now_us)
        self._spells = tuple(
            replace(spell, until_sample=until_sample)
            if spell.fault is fault and spell.until_sample is None
            else spell
            for spell in self._recent(now_us)
        )
        self._settle(now_us)

    def _settle(self, now_us: int) -> None:
        """Let plant and coils be as the faults that are set have it."""
        parts = self._sound_parts
        for fault in self._set.values():
            if isinstance(fault.fault.act, Wears):
                parts = fault.fault.act.change(parts, fault.value)
        self.plant.refit(now_us, parts)
        self.plant.drive(now_us, self._arriving(self.driven))

    def _recent(self, now_us: int) -> tuple[_Spell, ...]:
        """The spells that a load cell may still be asked about."""
        oldest = (now_us - MEMORY_US) // SAMPLE_US
        return tuple(
            spell
            for spell in self._spells
            if spell.until_sample is None or spell.until_sample > oldest
        )

    @staticmethod
    def _next_sample(now_us: int) -> int:
        """The first sample that is not yet taken: what was read was read."""
        return now_us // SAMPLE_US + 1

    # What passes

    def drive(self, now_us: int, driven: SectionOutputs) -> None:
        """The board drives this from now on."""
        if driven != self.driven:
            self.driven = driven
            self.plant.drive(now_us, self._arriving(driven) if self._set else driven)

    def _arriving(self, driven: SectionOutputs) -> SectionOutputs:
        for fault in self._set.values():
            if isinstance(fault.fault.act, Drives):
                driven = fault.fault.act.change(driven)
        return driven

    def sensed(self, now_us: int) -> SectionInputs:
        """What the board reads now."""
        sensed = self.plant.inputs(now_us)
        if not self._set:
            if not self._spells:
                return sensed
            self._spells = self._recent(now_us)
        for fault in self._set.values():
            if isinstance(fault.fault.act, Senses):
                sensed = fault.fault.act.change(sensed)
        reading = self._read(now_us // SAMPLE_US)
        return replace(sensed, load_raw=reading.raw, load_us=reading.sample * SAMPLE_US)

    def signals(self, now_us: int) -> Signals:
        """What passes now, but for the load."""
        up, down, pin = self.plant.switches
        if self._set:
            sensed = self.sensed(now_us)
            up, down, pin = sensed.up, sensed.down, sensed.pin
        driven = self.driven
        return Signals(driven.lift, driven.pin_withdrawn, driven.lowering, up, down, pin)

    def load_raw(self, sample: int) -> int | None:
        """Sample number `sample` as it was or is read; None if it was invalid or never came."""
        if not self._spells:
            return self.plant.load_raw(sample)
        reading = self._read(sample)
        return reading.raw if reading.sample == sample else None

    def _read(self, sample: int) -> Reading:
        reading = self._sound(sample)
        for spell in self._spells:
            if spell.covers(sample):
                began = self._sound(spell.from_sample - 1)
                gone_s = (sample - spell.from_sample) * SAMPLE_US / 1e6
                counts = spell.fault.value * gone_s * 1e6 / self.plant.settings.truth.load_span_un
                reading = spell.act.change(reading, began, round(counts))
        return reading

    def _sound(self, sample: int) -> Reading:
        return Reading(self.plant.load_raw(sample), sample)
