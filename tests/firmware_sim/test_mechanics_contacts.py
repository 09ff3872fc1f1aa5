"""How switch contacts bounce."""

from statistics import fmean

from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.mechanics import Mechanics, MechanicsSettings
from firmware_sim.plant.contacts import Contact
from firmware_sim.plant.settings import BounceSettings, SectionSettings
from tests.firmware_sim.mechanics_bench import LUMBAR, drive, events, rest

GANSSLE = BounceSettings()


def edges_us(contact: Contact, now_us: int, *, closed: bool) -> list[int]:
    """All edges after the first one, when the contact moves now."""
    contact.move(now_us, closed=closed)
    edges = []
    while (edge_us := contact.next_edge_us) is not None:
        edges.append(edge_us)
        contact.advance(edge_us)
    return edges


@given(st.text(max_size=8), st.booleans(), st.integers(0, 10**12))
def test_a_contact_shows_its_first_edge_at_once_then_chatters_and_settles(
    seed: str, closed: bool, now_us: int
) -> None:
    contact = Contact(GANSSLE, seed, closed=not closed)
    contact.move(now_us, closed=closed)
    assert contact.closed is closed
    level = closed
    last_us = now_us
    while (edge_us := contact.next_edge_us) is not None:
        assert edge_us > last_us
        contact.advance(edge_us - 1)
        assert contact.closed is level
        contact.advance(edge_us)
        level = not level
        assert contact.closed is level
        last_us = edge_us
    assert contact.closed is closed
    assert last_us - now_us <= 6_200


def test_bounces_last_1_6_ms_in_the_mean_and_are_irregular() -> None:
    contact = Contact(GANSSLE, "mean")
    lasts = []
    counts = set()
    for turn in range(4_000):
        edges = edges_us(contact, 100_000 * turn, closed=turn % 2 == 0)
        counts.add(len(edges))
        lasts.append(edges[-1] - 100_000 * turn if edges else 0)
    assert 1_500 <= fmean(lasts) <= 1_700
    assert 5_000 < max(lasts) <= 6_200
    assert {2, 4, 6, 8, 10} <= counts


def test_the_same_seed_bounces_the_same_and_another_does_not() -> None:
    def chatter(seed: str) -> list[int]:
        return edges_us(Contact(GANSSLE, seed), 0, closed=True)

    assert chatter("one") == chatter("one")
    assert chatter("one") != chatter("two")


def test_a_contact_that_is_moved_while_it_chatters_settles_where_it_was_moved_last() -> None:
    contact = Contact(GANSSLE, "again")
    contact.move(0, closed=True)
    edge_us = contact.next_edge_us
    assert edge_us is not None
    contact.advance(edge_us)
    edges_us(contact, edge_us, closed=False)
    assert contact.closed is False


def test_a_contact_that_does_not_move_does_not_bounce() -> None:
    contact = Contact(GANSSLE, "still", closed=True)
    assert edges_us(contact, 0, closed=True) == []


def test_a_contact_told_not_to_bounce_has_one_edge() -> None:
    contact = Contact(BounceSettings(max_us=0), "clean")
    assert edges_us(contact, 0, closed=True) == []
    assert contact.closed is True


def test_every_bounce_of_the_table_is_an_event_that_the_board_sees() -> None:
    table = Mechanics(seed=3)
    table.pedal(True)
    pedal = [table.inputs().pedal_down]
    pedal += [sensed.pedal_down for _, sensed in events(table, 10_000)]
    assert len(pedal) > 2
    assert pedal == [place % 2 == 0 for place in range(len(pedal))]
    assert pedal[-1] is True


def test_the_down_switch_stays_closed_after_the_bounce_of_a_landing() -> None:
    section = SectionSettings(start_height_um=19_000, start_tension_steps=1_000)
    for seed in range(20):
        table = Mechanics(MechanicsSettings.alike(section), seed=seed)
        drive(table, pin_withdrawn=True)
        rest(table)
        table.thrust(LUMBAR, peak_n=600, rise_ms=80)
        edges = [
            us for us, sensed in events(table, 2_000_000) if sensed.sections[LUMBAR].down is False
        ]
        (drop,) = table.drops
        opened_again = [us for us in edges if us > drop.down_edge_us]
        assert all(us - drop.down_edge_us <= 6_200 for us in opened_again)
        assert table.inputs().sections[LUMBAR].down is True
