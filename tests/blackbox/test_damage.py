"""A recording that was cut off or changed: whatever is whole is played, and what is not is said."""

import zlib
from pathlib import Path

from droptable.blackbox.recording import GZIP, MEMBER_MAX_BYTES, member, read
from droptable.errors import DroptableError
from tests.blackbox.recorded import (
    CODECS,
    recorded,
    replayed,
    segment_of_one_drop,
    steps_of_one_drop,
)

MEMBERS = 4


def short() -> bytes:
    """A few members, so that every byte can be tried."""
    text = zlib.decompress(segment_of_one_drop(), GZIP).decode().splitlines(keepends=True)
    share = 40
    return b"".join(
        member("".join(text[first : first + share])) for first in range(0, MEMBERS * share, share)
    )


def tried(content: bytes) -> tuple[int, int, bool] | None:
    """How many steps can be read, how many bytes are lost, and if they count as torn."""
    try:
        _, steps, lost = read(CODECS, content)
        count = sum(1 for _ in steps)
    except DroptableError:
        return None
    return count, 0 if lost is None else lost.bytes, lost is not None and lost.torn


def test_torn_at_every_byte_all_whole_members_are_read_and_the_rest_is_said() -> None:
    content = short()
    ends, whole = [], b""
    for _ in range(MEMBERS):
        rest = zlib.decompressobj(wbits=GZIP)
        rest.decompress(content[len(whole) :])
        whole = content[: len(content) - len(rest.unused_data)]
        ends.append(len(whole))
    assert ends[-1] == len(content)
    for cut in range(len(content) + 1):
        members = sum(end <= cut for end in ends)
        if members == 0:
            assert tried(content[:cut]) is None
            continue
        left = cut - ends[members - 1]
        assert tried(content[:cut]) == (members * 40 - 1, left, left > 0)


def test_zeros_that_a_power_cut_left_are_a_torn_end() -> None:
    content = short()
    assert tried(content + bytes(4096)) == (MEMBERS * 40 - 1, 4096, True)


def test_a_changed_byte_is_found_wherever_it_is_or_changes_nothing() -> None:
    content = short()
    sound = tried(content)
    unfound = 0
    for at in range(len(content)):
        changed = bytearray(content)
        changed[at] ^= 0x40
        found = tried(bytes(changed))
        unfound += found == sound
    # In the head of a member are its time and its system, which nobody reads.
    assert unfound <= MEMBERS * 10


def test_what_unpacks_to_more_than_a_member_may_hold_is_damage() -> None:
    bomb = member("a" * (MEMBER_MAX_BYTES + 1))
    content = short() + bomb
    assert tried(content) == (MEMBERS * 40 - 1, len(bomb), False)


def test_noise_after_the_last_member_is_damage(tmp_path: Path) -> None:
    (path,) = recorded(steps_of_one_drop()[:50], tmp_path)
    path.write_bytes(path.read_bytes() + b"noise")
    (again,) = replayed(path)
    assert again.lost is not None
    assert (again.steps, again.lost.bytes, again.lost.torn, again.same) == (50, 5, False, False)
    path.write_bytes(path.read_bytes()[:-5] + b"\x1f\x8b\x08")
    (again,) = replayed(path)
    assert (again.steps, again.same) == (50, True)
