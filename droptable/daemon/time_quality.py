"""Whether the system's clock is synchronised, as the kernel knows it; asks, never sets.

Every time service (chrony, systemd-timesyncd, ntpd, PTP) tells the kernel when it has the clock in
hand, so this is the one place to look whichever of them runs.
"""

import ctypes

from droptable.journal.event import TimeQuality

# <sys/timex.h>: the state that adjtimex returns when no time service vouches for the clock.
_TIME_ERROR = 5

# `struct timex` is 208 bytes on 64-bit Linux and 128 on 32-bit; zeros ask without setting.
_TIMEX_BYTES = 256
_BLANK = bytes(_TIMEX_BYTES)
_timex = ctypes.create_string_buffer(_TIMEX_BYTES)


def kernel_time_quality() -> TimeQuality:
    """`synced` only when the kernel says so; a system that cannot be asked is `unsynced`."""
    if _adjtimex is None:
        return "unsynced"
    # The kernel fills it in, so it is blanked each time: what it holds is what it would set.
    _timex.raw = _BLANK
    state = _adjtimex(_timex)
    return "synced" if 0 <= state < _TIME_ERROR else "unsynced"


def _find_adjtimex() -> "ctypes._NamedFuncPointer | None":
    # PyDLL, not CDLL: the call takes under a microsecond, less than handing the interpreter's lock
    # to another thread and back.
    return getattr(ctypes.PyDLL(None), "adjtimex", None)


_adjtimex = _find_adjtimex()
