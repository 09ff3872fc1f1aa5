"""What the tension of a section and the load on it say against arming it. Pure.

The tension holds a section whose pin is out: it has to exceed what presses on it, or the section
falls as soon as it is armed, without a thrust; and not by more than a thrust can overcome. What is
measured may differ from what was set by the section's tolerance, so that much counts against it.
"""

from droptable.core import tensions
from droptable.core.limits import TENSION_TOLERANCE_KEY
from droptable.core.model import State
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
        middle_n = state.settings.sections[at].tension_middle_dn / 10
        return (reason("TENSION_LEFT", at.label, remedy=(middle_n,)),)
    return () if section.tension_confirmed else (reason("TENSION_UNCONFIRMED", at.label),)


def tension_fits(state: State, at: Section) -> Found:
    """It is what was set, and suits the load; what is not known has reasons of its own."""
    set_dn = tensions.set_dn(state, at)
    if set_dn is None or not state.believed:
        return ()
    return (*_as_set(state, at, set_dn), *_for_load(state, at, set_dn))


def _as_set(state: State, at: Section, set_dn: int) -> Found:
    measured_dn = state.sections[at].tension_dn
    if not tensions.has_drive(state, at):
        return ()
    if measured_dn is not None and abs(measured_dn - set_dn) <= _tolerance_dn(state, at):
        return ()
    shown = "unknown" if measured_dn is None else measured_dn / 10
    return (reason("TENSION_OFF", at.label, shown, set_dn / 10),)


def _for_load(state: State, at: Section, set_dn: int) -> Found:
    measured_dn = state.sections[at].load_dn
    if measured_dn is None:
        return ()
    # An empty section may read a little below nothing.
    load_dn = max(0, measured_dn)
    least_dn = load_dn + _tolerance_dn(state, at)
    most_dn = load_dn + state.settings.bounds.tension_over_load_max_dn
    particulars = (set_dn / 10, at.label, load_dn / 10)
    if set_dn <= least_dn:
        return (reason("TENSION_LOW", *particulars, remedy=(least_dn / 10,)),)
    if set_dn > most_dn:
        return (reason("TENSION_HIGH", *particulars, remedy=(most_dn / 10,)),)
    return ()


def _tolerance_dn(state: State, at: Section) -> int:
    return state.settings.board_params.get((int(at), TENSION_TOLERANCE_KEY), 0)
