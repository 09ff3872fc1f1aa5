"""The board's parameters as checks read and write them."""

from collections.abc import Iterable

from droptable.conformance.asking import ANSWER_US, Asking
from droptable.conformance.contract import (
    ROW_OF,
    Code,
    required,
)
from droptable.conformance.model import expect
from droptable.link.messages import (
    Param,
    ParamGet,
    ParamSet,
    Result,
)


class Setting(Asking):
    """A board and its parameters. What a check changes is remembered, to be put back."""

    # Parameters

    async def read_param(self, section: int, key: int) -> Param | Result:
        """PARAM_GET; gives what the board answers."""
        return await self._param_answer(ParamGet(self.next_id(), section, key))

    async def write_param(self, section: int, key: int, value: int) -> Param | Result:
        """PARAM_SET; gives what the board answers. What was written is put back before the next check."""
        answer = await self._param_answer(ParamSet(self.next_id(), section, key, value))
        if isinstance(answer, Param) and self.values.get((section, key), value) != value:
            self._changed.add((section, key))
        return answer

    def changes(self, section: int, name: str) -> None:
        """The board changes this parameter by itself: put it back before the next check."""
        self._changed.add((section, ROW_OF[name].key))

    async def _param_answer(self, question: ParamGet | ParamSet) -> Param | Result:
        mark = self.mark()
        self.host.send(question)
        answers = await self.param_answers([question], since=mark)
        return answers[0]

    async def param_answers(
        self, questions: Iterable[ParamGet | ParamSet], *, since: int
    ) -> list[Param | Result]:
        """The answers to questions that were sent."""
        answers: list[Param | Result] = []
        for question in questions:
            heard = await self.host.until(
                lambda h, cmd_id=question.cmd_id: (  # type: ignore[misc]  # it is called here
                    isinstance(h.message, Param | Result) and h.message.cmd_id == cmd_id
                ),
                f"PARAM or RESULT for cmd_id {question.cmd_id}",
                within_us=ANSWER_US + self.slack.patience_us,
                since=since,
            )
            assert isinstance(heard.message, Param | Result)  # noqa: S101 - as it was looked for
            answers.append(heard.message)
        return answers

    async def set(self, section: int, **named: int) -> None:
        """Have the board take these parameters, by their names, for this check."""
        for name, value in named.items():
            answer = await self.write_param(section, ROW_OF[name].key, value)
            expect(isinstance(answer, Param), f"{name} {value} taken", answer)

    async def survey(self) -> dict[tuple[int, int], int | None]:
        """Every parameter that the board needs, and what it is set to."""
        return {
            (section, row.key): _value_of(await self.read_param(section, row.key))
            for section, row in required(self.features)
        }


def _value_of(answer: Param | Result) -> int | None:
    if isinstance(answer, Param):
        return answer.value
    expect(answer.code == Code.PARAMS_INCOMPLETE, "PARAM, or RESULT PARAMS_INCOMPLETE", answer)
    return None
