"""What the tension of a section and the load on it say against whatever withdraws its pin. Pure.

The tension holds a section whose pin is out: it has to exceed what presses on it, or the section
falls without a thrust: at the top of its way up, when it is armed, and when LOCK begins to lower it.
To arm it, it may also not exceed the load by more than a thrust can overcome. What is measured may
differ from what was set by the section's tolerance, so that much counts against it.
"""

from math import ceil, floor

from droptable.core import tensions
from droptable.core.limits import TENSION_TOLERANCE_KEY
from droptable.core.model import Phase, Provision, SectionState, State
from droptable.core.reasons import Reason, reason
from droptable.sections import Section

Found = tuple[Reason, ...]


def load(state: State, at: Section) -> Found:
    """A board with load cells knows the load, or nothing can be said of the tension."""
    board = state.link.board
    known = board is None or not board.load_cells or state.sections[at].load_dn is not None
    return () if known or not state.believed else (reason("LOAD_UNKNOWN", at.label),)


def tension_is_the_patients(state: State, at: Section) -> Found:
    """Somebody with the lease answers for it, and it is not still the last patient's."""
    section = state.sections[at]
    if section.tension_left:
        middle_n = round(state.settings.sections[at].tension_middle_dn / 10)
        return (reason("TENSION_LEFT", at.label, remedy=(middle_n,)),)
    return () if section.tension_confirmed else (reason("TENSION_UNCONFIRMED", at.label),)


def tension_holds(state: State, at: Section) -> Found:
    """It is known, is what was set, and holds the section when its pin is out."""
    set_dn = tensions.set_dn(state, at)
    if not state.believed:
        return ()
    if set_dn is None:
        # While parameters are read there is a reason for all of them.
        known = state.params.stage in (Provision.PROVEN, Provision.WAITING)
        return (reason("TENSION_UNKNOWN", at.label),) if known else ()
    return (*_as_set(state, at, set_dn), *holds(state, at, set_dn))


def holds(state: State, at: Section, set_dn: int) -> Found:
    """Whether a tension of `set_dn` exceeds the load by more than it may differ from what was set."""
    load_dn = _load_dn(state, at)
    if load_dn is None:
        return ()
    least_dn = load_dn + _tolerance_dn(state, at)
    if set_dn > least_dn:
        return ()
    particulars = (round(set_dn / 10), at.label, round(load_dn / 10))
    return (reason("TENSION_LOW", *particulars, remedy=(ceil(least_dn / 10),)),)


def tension_yields(state: State, at: Section) -> Found:
    """A thrust can overcome it."""
    set_dn, load_dn = tensions.set_dn(state, at), _load_dn(state, at)
    if set_dn is None or load_dn is None or not state.believed:
        return ()
    over_max_dn = state.settings.bounds.tension_over_load_max_dn
    if set_dn <= load_dn + over_max_dn:
        return ()
    set_n = round(set_dn / 10)
    if load_dn < state.settings.bounds.unloaded_below_dn:
        return (reason("NOBODY_LIES", at.label, set_n, remedy=(floor(over_max_dn / 10),)),)
    most_n = floor((load_dn + over_max_dn) / 10)
    return (reason("TENSION_HIGH", set_n, at.label, round(load_dn / 10), remedy=(most_n,)),)


def against_setting(state: State, at: Section, wanted_dn: int) -> Found:
    """A drive is not told to let go of who lies on a section that is up.

    Its pin would hold them, and nothing could lower or arm them any more; and a board that loses its
    power, or a pin that fails, is then all that is between them and the fall. At a board without a
    drive a person says what is so already, which is better known than not.
    """
    if not (is_up(state.sections[at]) and tensions.has_drive(state, at) and state.believed):
        return ()
    return holds(state, at, wanted_dn)


def is_up(section: SectionState) -> bool:
    """Whether it would fall if its pin were withdrawn and its tension did not hold it."""
    return section.phase is Phase.COCKED or (section.phase is Phase.HALTED and section.up)


def _as_set(state: State, at: Section, set_dn: int) -> Found:
    measured_dn = state.sections[at].tension_dn
    if not tensions.has_drive(state, at):
        return ()
    if measured_dn is not None and abs(measured_dn - set_dn) <= _tolerance_dn(state, at):
        return ()
    shown = "unknown" if measured_dn is None else round(measured_dn / 10)
    return (reason("TENSION_OFF", at.label, shown, round(set_dn / 10)),)


def _load_dn(state: State, at: Section) -> int | None:
    """What presses on it; an empty section may read a little below nothing."""
    measured_dn = state.sections[at].load_dn
    return None if measured_dn is None else max(0, measured_dn)


def _tolerance_dn(state: State, at: Section) -> int:
    return state.settings.board_params.get((int(at), TENSION_TOLERANCE_KEY), 0)
