"""The numbers that make one simulated table; a table is built from them and never changes them.

No behaviour lives here but the refusal of numbers that no table could have.
"""

from dataclasses import dataclass, field

GRAVITY_M_S2 = 9.80665
"""Standard gravity (ISO 80000-3)."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """How one section's counts and steps stand for newtons.

    force on the cell = (raw - load_zero_raw) * load_span_un
    breakaway force   = (steps - tension_zero) * tension_span_un
    """

    load_zero_raw: int = 8_388
    load_span_un: int = 50_000
    """Micronewton per count: 0.05 N."""
    tension_zero: int = 200
    tension_span_un: int = 250_000
    """Micronewton per step: 0.25 N."""

    def __post_init__(self) -> None:
        if self.load_span_un == 0 or self.tension_span_un == 0:
            raise ValueError("a span of 0 gives no force")

    def steps_a_second(self, tension_n_s: float) -> float:
        """How fast the actuator goes when the breakaway force changes at this rate."""
        return abs(tension_n_s * 1e6 / self.tension_span_un)

    def tension_steps_for(self, breakaway_n: float) -> int:
        """Where the actuator stands when the section breaks away at `breakaway_n`."""
        return self.tension_zero + round(breakaway_n * 1e6 / self.tension_span_un)


NOMINAL = Calibration()
"""What the drawings say of every section; the truth of each differs, as parts do."""


@dataclass(frozen=True, slots=True)
class SectionSettings:
    """One section: its masses, travels and speeds. Heights are above the bottom stop."""

    mass_kg: float = 8.0
    """Pad and frame; the patient's share comes on top, from the load that rests on the section."""
    drop_height_um: int = 19_000
    """From the bottom stop to the top; tables have 12 to 25 mm."""
    friction_n: float = 15.0
    """What the guides hold against a fall, at every speed the same."""
    lift_um_s: int = 100_000
    lift_n_kpa: float = 2.0
    """What the lift pushes with for each kPa: a cylinder of 50 mm has 1.96 N."""
    lowering_um_s: int = 100_000
    leak_um_s: int = 0
    """How fast it sinks by itself while no pin holds it."""
    pin_travel_us: int = 25_000
    """From wholly in to wholly withdrawn, and back; solenoid pins take 10 to 50 ms."""
    pin_spring_broken: bool = False
    """The pin stays out once it was withdrawn."""
    pin_slack_um: int = 1_000
    """How far from the top or the bottom the pin still finds its hole."""
    up_switch_um: int = 0
    """How far below the top the up switch still is closed and the tension mechanism still holds."""
    down_switch_um: int = 0
    """How far above the bottom the down switch already is closed."""
    tension_steps_max: int = 4_400
    """The actuator's far stop; the near one is 0."""
    tension_steps_s: int = 2_000
    """The actuator's speed: 500 N a second."""
    tension_slip_n_s: float = 0.0
    """Above 0 the actuator runs back at this rate, whatever it is told."""
    chatter_us: int = 0
    """Above 0 the section's switches chatter up to so long, and mostly that long, at each move."""
    load_noise_n: float = 3.0
    """One sigma of a sample."""
    truth: Calibration = NOMINAL
    """What counts and steps really stand for; hidden from everything but the plant."""
    start_height_um: int = 0
    start_tension_steps: int = 0

    def __post_init__(self) -> None:
        top_um = self.drop_height_um
        sound = {
            "mass_kg must be above 0": self.mass_kg > 0,
            "drop_height_um must be 5000 to 60000": 5_000 <= top_um <= 60_000,
            # Else it might not fall, and the sum of a fall would never end.
            "friction_n must be 0 to half the weight of the section": (
                0 <= self.friction_n <= self.mass_kg * GRAVITY_M_S2 / 2
            ),
            "lift_um_s, lift_n_kpa and lowering_um_s must be above 0": (
                min(self.lift_um_s, self.lift_n_kpa, self.lowering_um_s) > 0
            ),
            "pin_travel_us and tension_steps_s must be above 0": (
                min(self.pin_travel_us, self.tension_steps_s) > 0
            ),
            "leak_um_s, load_noise_n and tension_slip_n_s must not be below 0": (
                min(self.leak_um_s, self.load_noise_n, self.tension_slip_n_s) >= 0
            ),
            "chatter_us must be 0 or 100 and more": (
                self.chatter_us == 0 or self.chatter_us >= 100
            ),
            "pin_slack_um, up_switch_um and down_switch_um must not reach half the way": all(
                0 <= reach_um < top_um // 2
                for reach_um in (self.pin_slack_um, self.up_switch_um, self.down_switch_um)
            ),
            "start_height_um must be on the way": 0 <= self.start_height_um <= top_um,
            "start_tension_steps must be on the way": (
                0 <= self.start_tension_steps <= self.tension_steps_max
            ),
        }
        broken = [rule for rule, kept in sound.items() if not kept]
        if broken:
            raise ValueError("; ".join(broken))


@dataclass(frozen=True, slots=True)
class BounceSettings:
    """How switch contacts bounce, on closing and on opening alike.

    The numbers are those of J. Ganssle, "A Guide to Debouncing": 18 kinds of switches bounced for
    1.6 ms in the mean and, but for two bad ones, never longer than 6.2 ms.
    """

    mean_us: int = 1_600
    max_us: int = 6_200
    """0: contacts that do not bounce."""

    def __post_init__(self) -> None:
        if self.max_us and not 0 < self.mean_us < self.max_us:
            raise ValueError("mean_us must lie between 0 and max_us")


SectionTriple = tuple[SectionSettings, SectionSettings, SectionSettings]


def _as_built() -> SectionTriple:
    """Three sections whose truth is a newton or two, and up to 1 %, off the drawings."""
    return (
        SectionSettings(truth=Calibration(8_402, 50_150, 206, 252_000)),
        SectionSettings(truth=Calibration(8_379, 49_900, 197, 248_500)),
        SectionSettings(truth=Calibration(8_371, 50_080, 203, 251_000)),
    )


@dataclass(frozen=True, slots=True)
class MechanicsSettings:
    """A whole table and the world that it wakes up in."""

    sections: SectionTriple = field(default_factory=_as_built)
    bounce: BounceSettings = field(default_factory=BounceSettings)
    supply_mv: int = 24_000
    air_kpa: int = 600
    """Where the compressor cuts out, above the room's pressure."""
    air_refill_kpa_s: float = 10.0
    """A small compressor, 24 l a minute, on a reservoir of 4 l."""
    air_stroke_kpa_s: float = 35.0
    """What a rising lift takes: a 50 mm cylinder at 100 mm/s fills with 0.2 l/s of 700 kPa absolute."""

    def __post_init__(self) -> None:
        if min(self.supply_mv, self.air_kpa, self.air_refill_kpa_s, self.air_stroke_kpa_s) < 0:
            raise ValueError("no supply, pressure or use of air is below 0")

    @classmethod
    def alike(
        cls, section: SectionSettings, bounce: BounceSettings | None = None
    ) -> "MechanicsSettings":
        """A table of three equal sections."""
        return cls((section, section, section), bounce or BounceSettings())
