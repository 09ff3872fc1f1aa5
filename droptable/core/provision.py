"""Brings the board's parameters together with the configuration, and proves that they are. Pure.

At each session the board says a CRC over all that it keeps. If that is the CRC of what is known
here, nothing needs to be read; if not, every parameter is read, one after the other. What differs
from the configuration is written while the board takes it, and then a new session makes the board
say its CRC again. Only a CRC that fits proves anything: until then nothing may be cocked or armed.

A tension belongs to the patient and not to the configuration: what the board has is kept, and only a
board that was never told any is given the middle of the range.
"""

from collections.abc import Iterable
from dataclasses import replace

from droptable.core.effects import Effect, Record, ReopenSession, SendParamGet, SendParamSet
from droptable.core.events import ParamHeard, ResultHeard
from droptable.core.limits import (
    PARAM_WAIT_US,
    SECTION_KEYS,
    TABLE,
    TABLE_KEYS,
    TENSION_SET_KEY,
)
from droptable.core.model import Health, Params, Phase, Provision, State
from droptable.sections import Section

At = tuple[int, int]
"""Section, 255 for the table, and key."""

EVERY: tuple[At, ...] = (
    *((int(section), key) for section in Section for key in SECTION_KEYS),
    *((TABLE, key) for key in TABLE_KEYS),
)

RESTING = frozenset({Phase.LOCKED, Phase.UNKNOWN, Phase.FAULT})
"""The phases in which a board takes its parameters."""

WRONG_PHASE = 1
NEVER_SET = 11
NOT_THERE = frozenset({9, 10})


class Provisioner:
    """One look at the parameters, after an event; `advance` gives the state and fills `effects`."""

    def __init__(self, state: State, now_us: int) -> None:
        self.effects: list[Effect] = []
        self._state = state
        self._now_us = now_us

    def advance(self) -> State:
        """Take the next step of the work, if there is one to take now."""
        if self._state.link.health is Health.LIVE and self._state.link.board is not None:
            if self._params.stage in (Provision.UNPROVEN, Provision.WAITING):
                self._decide(self._state.link.board.params_crc)
            if self._params.stage in (Provision.READING, Provision.WRITING):
                self._ask_next()
        return self._state

    @property
    def _params(self) -> Params:
        return self._state.params

    def _keep(self, params: Params) -> None:
        self._state = replace(self._state, params=params)

    def _decide(self, board_crc: int) -> None:
        """What is to be done, now that the board's CRC is known and nothing is under way."""
        params = self._params
        if self._state.settings.params_crc(params.values) != board_crc:
            if params.read:
                self._keep(replace(params, stage=Provision.DIFFERENT))
            else:
                self._keep(replace(params, stage=Provision.READING, todo=EVERY, values={}))
            return
        differing = tuple(sorted(self._differing()))
        if not differing:
            self._keep(replace(params, stage=Provision.PROVEN))
        elif all(section.phase in RESTING for section in self._state.sections):
            self._keep(replace(params, stage=Provision.WRITING, todo=differing))
        else:
            self._keep(replace(params, stage=Provision.WAITING))

    def _differing(self) -> Iterable[At]:
        for at, wanted in self._wanted().items():
            if self._params.values.get(at) != wanted and at not in self._params.unsupported:
                yield at

    def _wanted(self) -> dict[At, int]:
        settings, known = self._state.settings, self._params.values
        wanted = dict(settings.board_params)
        for section in Section:
            at = (int(section), TENSION_SET_KEY)
            wanted[at] = known.get(at, settings.sections[section].tension_middle_dn)
        return wanted

    def _ask_next(self) -> None:
        params = self._params
        if params.cmd_id is not None and self._now_us - params.asked_us < PARAM_WAIT_US:
            return
        if not params.todo:
            self._finish()
            return
        cmd_id = self._state.next_cmd_id
        section, key = params.todo[0]
        if params.stage is Provision.READING:
            self.effects.append(SendParamGet(cmd_id, section, key))
        else:
            value = self._wanted()[section, key]
            self.effects.append(SendParamSet(cmd_id, section, key, value))
        self._state = replace(
            self._state,
            next_cmd_id=cmd_id % 0xFFFF + 1,
            params=replace(params, cmd_id=cmd_id, asked_us=self._now_us),
        )

    def _finish(self) -> None:
        """All was read: decide on it. All was written: have the board prove it."""
        params = self._params
        if params.stage is Provision.READING:
            self._keep(replace(params, stage=Provision.UNPROVEN, read=True))
            self.advance()
            return
        self._keep(replace(params, stage=Provision.UNPROVEN))
        self.effects.append(Record("params_written", None, "daemon", {}))
        self.effects.append(ReopenSession())

    @staticmethod
    def answered(state: State, param: ParamHeard) -> State:
        """`state` after the board said a parameter; its value is already noted."""
        return _after_answer(state, param.cmd_id)

    @staticmethod
    def refused(state: State, result: ResultHeard) -> State:
        """`state` after the board refused to say or take a parameter, if that is what it refused."""
        params = state.params
        if params.cmd_id != result.cmd_id or not params.todo:
            return state
        if result.code == WRONG_PHASE:
            waiting = replace(params, stage=Provision.WAITING, cmd_id=None, todo=())
            return replace(state, params=waiting)
        if result.code in NOT_THERE:
            unsupported = params.unsupported | {params.todo[0]}
            state = replace(state, params=replace(params, unsupported=unsupported))
        elif result.code != NEVER_SET or params.stage is Provision.WRITING:
            different = replace(params, stage=Provision.DIFFERENT, cmd_id=None, todo=())
            return replace(state, params=different)
        return _after_answer(state, result.cmd_id)


def _after_answer(state: State, cmd_id: int) -> State:
    params = state.params
    if params.cmd_id != cmd_id:
        return state
    return replace(state, params=replace(params, cmd_id=None, todo=params.todo[1:]))
