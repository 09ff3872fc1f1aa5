"""Whatever a person is told has a sentence and a remedy, and every blank in it is filled in."""

import re
from string import Formatter

import pytest

from droptable.core import faults, reasons
from droptable.core.reasons import CODES, board_refused, reason

SENTENCE = re.compile(r"[A-Z{].*\.")


def blanks(text: str) -> int:
    return sum(name is not None for _, name, _, _ in Formatter().parse(text))


@pytest.mark.parametrize("code", sorted(CODES))
def test_each_reason_has_a_sentence_and_a_remedy_that_fill_in(code: str) -> None:
    entry = reasons.ENTRIES[code]
    text, remedy = entry.text, entry.remedy
    assert SENTENCE.fullmatch(text)
    assert SENTENCE.fullmatch(remedy)
    assert SENTENCE.fullmatch(entry.why)
    words = [f"word{number}" for number in range(4)]
    found = reason(code, *words[: blanks(text)], remedy=tuple(words[: blanks(remedy)]))
    assert found.code == code
    assert "{" not in found.text + found.remedy
    assert all(word in found.text for word in words[: blanks(text)])


def test_a_reason_that_is_not_in_the_registry_is_a_bug() -> None:
    with pytest.raises(KeyError):
        reason("NO_SUCH_REASON")


def test_each_code_of_a_result_has_words_and_so_has_one_of_a_newer_board() -> None:
    assert sorted(reasons.BOARD_CODES) == list(range(1, 17))
    texts = {board_refused(code).text for code in range(1, 20)}
    assert len(texts) == 19
    assert board_refused(200).text == "The board refused: code 200, which is not known."


@pytest.mark.parametrize("number", range(20))
def test_each_fault_has_a_sentence_and_a_remedy_and_so_has_one_of_a_newer_board(
    number: int,
) -> None:
    fault = faults.fault_of(number)
    assert SENTENCE.fullmatch(fault.text)
    assert SENTENCE.fullmatch(fault.remedy)
    assert SENTENCE.fullmatch(fault.why)
    assert fault.code == (
        faults.FAULTS[number].code if number in faults.FAULTS else f"FAULT_{number}"
    )


def test_the_faults_are_those_of_the_board_link() -> None:
    assert sorted(faults.FAULTS) == list(range(1, 17))
    assert len({fault.code for fault in faults.FAULTS.values()}) == 16
