"""What was driven and what the switches said, and when."""

from droptable.sections import Section
from firmware_sim.faults import wanted
from firmware_sim.history import CHANGES_KEPT, History, Signals
from tests.firmware_sim.mechanics_bench import LUMBAR, TOP_UM, drive, quiet_table, rest

OFF = Signals(lift=False, pin_withdrawn=False, lowering=False, up=False, down=True, pin=True)


def test_it_begins_with_each_section_and_grows_by_changes_only() -> None:
    table = quiet_table()
    first = list(table.history(-1))
    assert [(change.us, change.section) for change in first] == [(0, one) for one in Section]
    assert {change.signals for change in first} == {OFF}
    table.advance(1_000)
    table.supply(11_000)
    drive(table)
    assert list(table.history(0)) == []


def test_it_has_every_change_at_its_own_time() -> None:
    table = quiet_table()
    table.advance(1_000)
    drive(table, pin_withdrawn=True)
    rest(table)
    out = OFF._replace(pin_withdrawn=True)
    assert [(change.us, change.signals) for change in table.history(0)] == [
        (1_000, out),
        (3_501, out._replace(pin=False)),  # a tenth of its travel, and off the switch
    ]
    began_us = table.now_us
    drive(table, pin_withdrawn=True, lift=True)
    rest(table)
    signals = [(change.us - began_us, change.signals) for change in table.history(began_us - 1)]
    lifting = out._replace(pin=False, lift=True)
    assert signals == [
        (0, lifting),
        (1, lifting._replace(down=False)),
        (TOP_UM * 10, lifting._replace(down=False, up=True)),
    ]
    assert {change.section for change in table.history(0)} == {LUMBAR}


def test_it_has_what_the_board_drives_and_reads_not_what_arrives_of_it() -> None:
    table = quiet_table()
    table.advance(1_000)
    table.set_fault(wanted("pin-wire-broken", LUMBAR, None))
    drive(table, pin_withdrawn=True)
    table.set_fault(wanted("down-stuck-open", LUMBAR, None))
    driven = OFF._replace(pin_withdrawn=True)
    assert [change.signals for change in table.history(0)] == [driven, driven._replace(down=False)]


def test_it_keeps_the_newest() -> None:
    history = History()
    for us in range(CHANGES_KEPT + 10):
        history.note(us, LUMBAR, OFF._replace(up=us % 2 == 0))
    kept = list(history.after(-1))
    assert (len(kept), kept[0].us) == (CHANGES_KEPT, 10)
    assert [change.us for change in history.after(CHANGES_KEPT + 8)] == [CHANGES_KEPT + 9]
