"""The board's parameters on the wire: their keys, and the CRC by which two ends compare them."""

from collections.abc import Mapping
from enum import IntEnum
from struct import Struct

from google_crc32c import value as crc32c

TABLE_SECTION = 0xFF
"""The section number of a parameter of the whole table; it sorts behind the sections."""

_ENTRY = Struct("<BBi")


class Key(IntEnum):
    """The parameters; 16 to 18 belong to the table, the rest to each section."""

    COCK_TIMEOUT_MS = 1
    LOWER_TIMEOUT_MS = 2
    DROP_TIMEOUT_MS = 3
    PIN_TIMEOUT_MS = 4
    SETTLE_MS = 5
    DEBOUNCE_US = 6
    ARM_WINDOW_MAX_MS = 7
    LOAD_ZERO_RAW = 8
    LOAD_SPAN_UN = 9
    LOAD_MAX_DN = 10
    TENSION_SET_DN = 11
    TENSION_ZERO = 12
    TENSION_SPAN_UN = 13
    TENSION_TOLERANCE_DN = 14
    DROP_HEIGHT_UM = 15
    SUPPLY_MIN_MV = 16
    AIR_MIN_KPA = 17
    COIL_ON_MAX_MS = 18


def params_crc(values: Mapping[tuple[int, int], int]) -> int:
    """CRC-32C over the parameters that are set.

    `values` maps (section, key) to the value; the CRC runs over (section u8, key u8, value i32),
    ascending by section, then key. Without any it is 0.
    """
    return int(crc32c(b"".join(_ENTRY.pack(*at, values[at]) for at in sorted(values))))
