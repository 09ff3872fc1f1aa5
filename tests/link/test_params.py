"""The CRC over the parameters, against one that is written another way."""

import random
import struct

from google_crc32c import value as crc32c
from hypothesis import given
from hypothesis import strategies as st

from droptable.link.params import TABLE_SECTION, Key, params_crc
from tests.link.samples import VECTORS


def reference_crc32c(octets: bytes) -> int:
    """Castagnoli, bit by bit as its polynomial is written, least significant bit first."""
    crc = 0xFFFFFFFF
    for octet in octets:
        for bit in range(8):
            low = (crc ^ (octet >> bit)) & 1
            crc = crc >> 1 ^ (0x82F63B78 if low else 0)
    return crc ^ 0xFFFFFFFF


PLACES = st.tuples(st.sampled_from([0, 1, 2, TABLE_SECTION]), st.integers(0, 255))
VALUES = st.dictionaries(PLACES, st.integers(-(2**31), 2**31 - 1), max_size=60)


def test_the_check_value_is_the_one_of_the_contract() -> None:
    assert crc32c(b"123456789") == reference_crc32c(b"123456789") == 0xE3069283
    assert VECTORS["crc32c_check"].startswith("e3069283")


@given(st.binary(max_size=64))
def test_the_fast_crc_is_castagnolis(octets: bytes) -> None:
    assert crc32c(octets) == reference_crc32c(octets)


@given(VALUES, st.randoms())
def test_the_crc_runs_over_what_is_set_in_the_order_of_the_contract(
    values: dict[tuple[int, int], int], dice: random.Random
) -> None:
    octets = b""
    for section in (0, 1, 2, 255):
        for key in range(256):
            if (section, key) in values:
                octets += struct.pack("<B", section) + struct.pack("<B", key)
                octets += struct.pack("<i", values[section, key])
    shuffled = list(values.items())
    dice.shuffle(shuffled)
    assert params_crc(dict(shuffled)) == reference_crc32c(octets)


def test_without_parameters_the_crc_is_zero() -> None:
    assert params_crc({}) == 0


def test_the_crc_sees_every_part_of_an_entry() -> None:
    crcs = {
        params_crc({(0, Key.SETTLE_MS): 50}),
        params_crc({(1, Key.SETTLE_MS): 50}),
        params_crc({(0, Key.DEBOUNCE_US): 50}),
        params_crc({(0, Key.SETTLE_MS): -50}),
        params_crc({(0, Key.SETTLE_MS): 50, (TABLE_SECTION, Key.COIL_ON_MAX_MS): 1000}),
    }
    assert len(crcs) == 5


def test_the_keys_are_numbered_as_in_the_contract() -> None:
    assert [key.value for key in Key] == list(range(1, 19))
    assert (Key.TENSION_SET_DN, Key.COIL_ON_MAX_MS) == (11, 18)
