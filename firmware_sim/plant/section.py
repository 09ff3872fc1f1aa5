"""One padded section as a thing of metal: pad, lift, valve, pin, tension mechanism, switches, cell.

It obeys its outputs and the forces on it, and knows no phase, no command and no fault: what the
board believes of it is the board's own affair. Between two of its events nothing but even motion
and load changes, so that any moment between them can be told in closed form.

Signals enter by `drive` and leave by `inputs` and nowhere else: a fault of a wire, a coil or a
sensor is another value put there, and needs no other physics.
"""

from bisect import bisect_left
from collections import deque

from droptable.board.model import SectionInputs, SectionOutputs
from droptable.sections import Section
from firmware_sim.plant.air import Air
from firmware_sim.plant.contacts import Contact
from firmware_sim.plant.gap import Gap
from firmware_sim.plant.load_cell import LoadCell, noise_key
from firmware_sim.plant.motion import Fall, Ramp
from firmware_sim.plant.settings import GRAVITY_M_S2, BounceSettings, SectionSettings
from firmware_sim.plant.thrust import MEMORY_US, SAMPLE_US, Pressing, ThrustShape
from firmware_sim.plant.truth import PhysicalDrop, SectionTruth

PIN_HOLDS_FROM = 0.5
"""The part of its travel from which the pin stands in the section's hole and blocks all motion."""

PIN_SWITCH_FROM = 0.9
"""The part of its travel from which the pin closes its switch: later than it holds."""

PEAK_LOOKS_BACK_US = 200_000
"""How long before the up edge a drop's peak is looked for, as the board link has it."""

STARTS_AGAIN_KPA = 10
"""How much more a lift needs to start again that stood still: seals stick."""

DROPS_KEPT = 10_000
"""The newest of a section; more than any day or test has."""


class SectionPlant:
    """One section; every method that takes `now_us` is called with times that never go back."""

    def __init__(
        self,
        section: Section,
        settings: SectionSettings,
        bounce: BounceSettings,
        air: Air,
        *,
        seed: int,
        start_us: int,
    ) -> None:
        self.section = section
        self.settings = settings
        self._bounce = bounce
        self._air = air
        self._stalled = False
        """The lift drives, and what is on it is too heavy for the air there is."""
        self.drops: deque[PhysicalDrop] = deque(maxlen=DROPS_KEPT)
        self._drops_ever = 0
        self.pressing = Pressing(start_us)
        self._top_um = settings.drop_height_um
        self._outputs = SectionOutputs(tension_steps=settings.start_tension_steps)
        self._slide = Ramp.resting(settings.start_height_um)
        self._fall: Fall | None = None
        self._gap = Gap.free(self._top_um)
        self._loose = False
        """It has fallen, and lies on a hand that alone keeps it from falling on."""
        self._pin = Ramp.resting(1.0 if self._pin_meets_hole(start_us) else 0.0)
        self._tension = Ramp.resting(settings.start_tension_steps)
        self._cell = LoadCell(settings.truth, settings.load_noise_n, noise_key(seed, section))
        self._up, self._down, self._pin_switch = (
            Contact(self._bouncing(), f"{seed}/{section.label}/{name}", closed=closed)
            for name, closed in zip(("up", "down", "pin"), self._pressed(start_us), strict=True)
        )
        self._left_top_us = self._reached_bottom_us = start_us
        self.next_event_us: int | None = None
        """When something here changes next; None while all is at rest."""
        self.step(start_us)

    # What reaches it

    def drive(self, now_us: int, outputs: SectionOutputs) -> None:
        if outputs != self._outputs:
            self._outputs = outputs
            self.step(now_us)

    def patient(self, now_us: int, rest_n: float) -> None:
        self.pressing.patient(now_us, rest_n)
        self._pressed_anew(now_us)

    def thrust(self, now_us: int, shape: ThrustShape) -> None:
        self.pressing.thrust(now_us, shape)
        self._pressed_anew(now_us)

    def hand(self, now_us: int, height_um: int | None) -> None:
        """A hand is held in the gap, or taken out. ValueError when there is no gap at that height."""
        free = Gap.free(self._top_um)
        self._gap = (
            free if height_um is None else free.with_hand(height_um, self._height_um(now_us))
        )
        self._pressed_anew(now_us)

    def refit(self, now_us: int, settings: SectionSettings) -> None:
        """Some of its parts are other ones from now on; mass and height are to stay."""
        if settings != self.settings:
            self.settings = settings
            for contact in (self._up, self._down, self._pin_switch):
                contact.chatters(self._bouncing())
            self.step(now_us)

    def _bouncing(self) -> BounceSettings:
        chatter_us = self.settings.chatter_us
        if not chatter_us:
            return self._bounce
        return BounceSettings(mean_us=chatter_us * 9 // 10, max_us=chatter_us)

    def _pressed_anew(self, now_us: int) -> None:
        if self._fall is not None:
            self._fall = self._fall_from(now_us, self._fall.speed(now_us))
        self.step(now_us)

    # What it shows

    @property
    def switches(self) -> tuple[bool, bool, bool]:
        """Whether the up, the down and the pin switch are closed."""
        return self._up.closed, self._down.closed, self._pin_switch.closed

    def inputs(self, now_us: int) -> SectionInputs:
        sample = now_us // SAMPLE_US
        return SectionInputs(
            up=self._up.closed,
            down=self._down.closed,
            pin=self._pin_switch.closed,
            load_raw=self.load_raw(sample),
            load_us=sample * SAMPLE_US,
            tension_steps=round(self._tension.at(now_us)),
        )

    def load_raw(self, sample: int) -> int:
        """Sample number `sample` of the load cell, as it was or is read.

        It shows the force up to its moment: what is done at that very moment cannot change it.
        It shows what presses from above, at rest and in a fall alike: that a patient weighs less on
        a pad that falls away, and more where it lands, is left out.
        """
        return self._cell.raw(self.pressing.total_n(sample * SAMPLE_US - 1), sample)

    @property
    def lift_driven(self) -> bool:
        """Whether its lift has power."""
        return self._outputs.lift

    def rises(self, now_us: int) -> bool:
        """Whether the lift moves it, and so takes air."""
        return self._outputs.lift and self._fall is None and self._slide.pace_at(now_us) > 0

    def tension_moves(self, now_us: int) -> bool:
        return now_us < self._tension.arrives_us

    def truth(self, now_us: int) -> SectionTruth:
        fall = self._fall
        return SectionTruth(
            height_um=self._height_um(now_us),
            velocity_um_s=-fall.speed(now_us) * 1e6 if fall else self._slide.pace_at(now_us),
            pin_in=self._pin_holds(now_us),
            pin_position=self._pin.at(now_us),
            falling=fall is not None,
            load_n=self.pressing.total_n(now_us),
            breakaway_n=self._breakaway_n(now_us),
            drops=self._drops_ever,
            last_fall_us=self.drops[-1].fall_us if self.drops else None,
        )

    # How it moves

    def step(self, now_us: int) -> None:
        """Let happen what is due at `now_us`, decide every motion anew, and see what comes next."""
        self._show(now_us)
        if self._fall is not None and now_us >= self._fall.lands_us:
            self._land()
        elif self._falls_on(now_us) or (self._hangs(now_us) and self._overcome(now_us)):
            self._fall = self._fall_from(now_us, 0.0)
            self._loose = False
        self._plan_pin(now_us)
        self._plan_slide(now_us)
        self._plan_tension(now_us)
        self.next_event_us = self._next_event_us(now_us)

    def _show(self, now_us: int) -> None:
        """Move the switches to where pad and pin now stand, and note the edges of a fall."""
        contacts = (self._up, self._down, self._pin_switch)
        pressed = self._pressed(now_us)
        if self._up.pressed and not pressed[0]:
            self._left_top_us = now_us
        if pressed[1] and not self._down.pressed:
            self._reached_bottom_us = now_us
        for contact, closed in zip(contacts, pressed, strict=True):
            contact.advance(now_us)
            contact.move(now_us, closed=closed)

    def _pressed(self, now_us: int) -> tuple[bool, bool, bool]:
        """Whether the up, the down and the pin switch are pushed together."""
        height_um = self._height_um(now_us)
        return (
            height_um >= self._top_um - self.settings.up_switch_um,
            height_um <= self.settings.down_switch_um,
            self._pin.at(now_us) >= PIN_SWITCH_FROM,
        )

    def _height_um(self, now_us: int) -> float:
        return self._fall.height_um(now_us) if self._fall else self._slide.at(now_us)

    def _pin_holds(self, now_us: int) -> bool:
        return self._pin.at(now_us) >= PIN_HOLDS_FROM

    def _pin_meets_hole(self, now_us: int) -> bool:
        height_um, slack_um = self._height_um(now_us), self.settings.pin_slack_um
        return height_um <= slack_um or height_um >= self._top_um - slack_um

    def _breakaway_n(self, now_us: int) -> float:
        truth = self.settings.truth
        return max(
            0.0, (self._tension.at(now_us) - truth.tension_zero) * truth.tension_span_un / 1e6
        )

    def _hangs(self, now_us: int) -> bool:
        """Nothing but the tension mechanism holds it: it is at the top, and the pin is out."""
        return (
            self._fall is None
            and not self._loose
            and self._height_um(now_us) >= self._top_um - self.settings.up_switch_um
            and not self._pin_holds(now_us)
        )

    def _overcome(self, now_us: int) -> bool:
        return self.pressing.total_n(now_us) > self._breakaway_n(now_us)

    def _falls_on(self, now_us: int) -> bool:
        """The hand that it lay on is gone, and nothing else holds it."""
        return (
            self._loose
            and self._height_um(now_us) > self._gap.floor_um
            and not self._pin_holds(now_us)
        )

    def _fall_from(self, now_us: int, speed: float) -> Fall:
        """The fall from here: m a = m g + thrust - friction.

        The mass m is that of the section and of what rests on it, for the patient's share falls
        along; the thrust is a force only. A drop table's tension lets go all at once, so nothing
        of it is left during the fall.
        """
        mass_kg = self.settings.mass_kg + self.pressing.rest_n / GRAVITY_M_S2
        friction_n, thrust_n = self.settings.friction_n, self.pressing.thrust_n

        def pull(at_us: int) -> float:
            return GRAVITY_M_S2 + (thrust_n(at_us) - friction_n) / mass_kg

        return Fall(now_us, self._height_um(now_us), speed, pull, self._gap.floor_um)

    def _land(self) -> None:
        """It lies on its stop, which is damped: it does not jump up again. Or it lies on a hand."""
        left_us, reached_us = self._left_top_us, self._reached_bottom_us
        self._fall = None
        self._slide = Ramp.resting(self._gap.floor_um)
        self._loose = self._gap.floor_um > self.settings.down_switch_um
        if self._loose:
            return
        self._drops_ever += 1
        # A hand may have held it up for longer than the load is remembered.
        looks_from_us = max(left_us - PEAK_LOOKS_BACK_US, reached_us - MEMORY_US)
        self.drops.append(
            PhysicalDrop(
                section=self.section,
                up_edge_us=left_us,
                down_edge_us=reached_us,
                fall_us=reached_us - left_us,
                peak_n=self.pressing.peak_n(looks_from_us, reached_us),
            )
        )

    def _plan_pin(self, now_us: int) -> None:
        """The coil draws it out; the spring pushes it in, where there is a hole."""
        pace = 1e6 / self.settings.pin_travel_us
        if self._outputs.pin_withdrawn:
            self._pin = self._pin.toward(0.0, pace, now_us)
        elif self.settings.pin_spring_broken:
            self._pin = self._pin.stopped(now_us)
        elif self._fall is None and self._pin_meets_hole(now_us):
            self._pin = self._pin.toward(1.0, pace, now_us)
        else:
            # A tip that was not yet in the hole is pushed back by the edge that slides past it.
            self._pin = Ramp.resting(0.0)

    def _plan_slide(self, now_us: int) -> None:
        if self._fall is not None:
            return
        self._stalled = self._outputs.lift and self._too_heavy(now_us)
        pace = 0 if self._pin_holds(now_us) else self._sliding_pace()
        if pace > 0:
            self._slide = self._slide.toward(self._gap.ceiling_um, pace, now_us)
            self._loose = False
        elif pace < 0:
            self._slide = self._slide.toward(self._gap.floor_um, -pace, now_us)
        else:
            self._slide = self._slide.stopped(now_us)

    def _sliding_pace(self) -> int:
        """How lift, valve and leak move a section that is free to, in µm/s upwards."""
        lifts = self._outputs.lift and not self._stalled
        up_um_s = self.settings.lift_um_s if lifts else 0
        down_um_s = self.settings.lowering_um_s if self._outputs.lowering else 0
        return up_um_s - down_um_s - self.settings.leak_um_s

    def _too_heavy(self, now_us: int) -> bool:
        """Whether the air cannot lift what is on it. The lift then stands; its valve holds the air."""
        return self._air.kpa(now_us) < self._needed_kpa(now_us)

    def _needed_kpa(self, now_us: int) -> float:
        settings = self.settings
        weight_n = settings.mass_kg * GRAVITY_M_S2 + settings.friction_n
        kpa = (self.pressing.total_n(now_us) + weight_n) / settings.lift_n_kpa
        return kpa + STARTS_AGAIN_KPA if self._stalled else kpa

    def _plan_tension(self, now_us: int) -> None:
        """The actuator goes where it is told, as far as its stops, and holds there by itself."""
        told = min(max(self._outputs.tension_steps, 0), self.settings.tension_steps_max)
        speed: float = self.settings.tension_steps_s
        if self.settings.tension_slip_n_s:
            told = 0
            speed = self.settings.truth.steps_a_second(self.settings.tension_slip_n_s)
        self._tension = self._tension.toward(told, speed, now_us)

    # What comes next

    def _next_event_us(self, now_us: int) -> int | None:
        moments = (
            self._up.next_edge_us,
            self._down.next_edge_us,
            self._pin_switch.next_edge_us,
            self._pin.next_crossing_us((PIN_HOLDS_FROM, PIN_SWITCH_FROM), now_us),
            self._tension.next_crossing_us((), now_us),
            self.pressing.next_change_us(now_us),
            self._next_height_us(now_us),
            self._air_tells_us(now_us),
            self._breaks_away_us(now_us),
        )
        return min((us for us in moments if us is not None), default=None)

    def _air_tells_us(self, now_us: int) -> int | None:
        """When a lift that drives may stall for want of air, or have enough again."""
        if not self._outputs.lift:
            return None
        return self._air.reaches_us(self._needed_kpa(now_us), now_us)

    def _next_height_us(self, now_us: int) -> int | None:
        """When the section next reaches or leaves a height at which something changes."""
        up_um, down_um = self._top_um - self.settings.up_switch_um, self.settings.down_switch_um
        if self._fall is None:
            slack_um = self.settings.pin_slack_um
            marks = (up_um, down_um, slack_um, self._top_um - slack_um)
            return self._slide.next_crossing_us(marks, now_us)
        fall = self._fall
        above_um = max(up_um, fall.floor_um)
        reaches_us = fall.first_us_at(max(down_um, fall.floor_um))
        moments = (fall.first_us_at(above_um) + 1, reaches_us, fall.lands_us)
        return min(us for us in moments if us > now_us)

    def _breaks_away_us(self, now_us: int) -> int | None:
        """The first microsecond at which the force exceeds the breakaway force, if it soon will.

        Up to the next sample, knot or arrival of the actuator the force and the breakaway force
        each go one way only, so that a crossing shows in the sign at the end, and bisection finds
        it. Without any of these nothing changes, and it hangs on.
        """
        ends = (self.pressing.next_change_us(now_us), self._tension.next_crossing_us((), now_us))
        until_us = min((us for us in ends if us is not None), default=None)
        if until_us is None or not self._hangs(now_us) or not self._overcome(until_us):
            return None
        return now_us + bisect_left(range(now_us, until_us + 1), True, key=self._overcome)
