"""The gap that a section moves in, between its bottom stop and its top, and a hand held in it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Gap:
    """How far down and up a section can go now; heights above the bottom stop."""

    top_um: int
    floor_um: int
    ceiling_um: int

    @classmethod
    def free(cls, top_um: int) -> "Gap":
        """Nothing but air is in it."""
        return cls(top_um, 0, top_um)

    def with_hand(self, hand_um: int, section_um: float) -> "Gap":
        """A hand is in it that a section at this height cannot pass, up or down.

        ValueError when there is no gap at the hand's height.
        """
        if not 0 < hand_um < self.top_um:
            raise ValueError(
                f"the gap is {self.top_um / 1_000:g} mm high: "
                f"no hand fits in at {hand_um / 1_000:g} mm"
            )
        if section_um < hand_um:
            return Gap(self.top_um, 0, hand_um)
        return Gap(self.top_um, hand_um, self.top_um)
