"""The table's air: a reservoir that each stroke of a lift draws from and a compressor refills."""

from math import inf

from firmware_sim.plant.motion import Ramp
from firmware_sim.plant.thrust import SAMPLE_US


class Air:
    """One reservoir for the whole table; pressures are kPa above the room's."""

    def __init__(self, kpa: float, *, refill_kpa_s: float, stroke_kpa_s: float) -> None:
        self._cut_out_kpa = kpa
        self._refill_kpa_s = refill_kpa_s
        self._stroke_kpa_s = stroke_kpa_s
        self._no_higher_kpa = inf
        self._from_us = 0
        self._lifting = 0
        self._pressure = Ramp.resting(kpa)

    def kpa(self, now_us: int) -> float:
        """What the lifts have."""
        return min(self._pressure.at(now_us), self._no_higher_kpa)

    def shown_kpa(self, now_us: int) -> int:
        """What the sensor says: whole numbers, sampled as often as the load cells."""
        return round(self.kpa(max(now_us - now_us % SAMPLE_US, self._from_us)))

    def reaches_us(self, kpa: float, now_us: int) -> int | None:
        """When it next is at or past a pressure, or no longer changes; None if it does not change."""
        return self._pressure.next_crossing_us((kpa,), now_us)

    def lifts(self, now_us: int, lifting: int) -> bool:
        """So many lifts rise from now on; whether that changes how the pressure goes on."""
        if lifting == self._lifting:
            return False
        self._lifting = lifting
        pace = self._refill_kpa_s - lifting * self._stroke_kpa_s
        end = self._cut_out_kpa if pace > 0 else 0.0
        if pace:
            return self._goes(now_us, self._pressure.toward(end, abs(pace), now_us))
        return self._goes(now_us, self._pressure.stopped(now_us))

    def supplied(self, now_us: int, kpa: float) -> None:
        """The compressor gives this from now on, and the reservoir has it."""
        # Whatever rises is told anew.
        self._lifting = 0
        self._cut_out_kpa = kpa
        self._goes(now_us, Ramp.resting(kpa))

    def no_higher(self, kpa: float | None) -> None:
        """Whatever is compressed, no more than this is there; None: all of it."""
        self._no_higher_kpa = inf if kpa is None else kpa

    def _goes(self, now_us: int, going: Ramp) -> bool:
        if going is self._pressure:
            return False
        self._from_us, self._pressure = now_us, going
        return True
