"""What the broker may say to the table: STOP, and what a sink has or wants again.

Nothing else can be commanded over MQTT. It never raises and never blocks; what it does not
understand is counted and ignored.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from droptable.mqtt.client import Incoming
from droptable.mqtt.payloads import committed_from, replay_from
from droptable.mqtt.ports import JournalPort
from droptable.mqtt.problems import Findings
from droptable.mqtt.topics import Topics

REPLAYS_MAX = 8
"""Ranges that may wait; a sink asks again, or for one range instead of many."""

STOP_SOURCE = "mqtt"


@dataclass(slots=True)
class Range:
    """Seqs that a sink wants again; `first` moves up as they are acknowledged."""

    first: int
    last: int


class Inbox:
    """One for the life of the daemon: what a sink asked for survives a reconnect."""

    def __init__(
        self,
        topics: Topics,
        journal: JournalPort,
        findings: Findings,
        stop: Callable[[str], None],
        committed: Callable[[int], None],
    ) -> None:
        self.replays: deque[Range] = deque()
        self.replay_asked = asyncio.Event()
        self._topics = topics
        self._journal = journal
        self._findings = findings
        self._stop = stop
        self._committed = committed

    def receive(self, message: Incoming) -> None:
        """Act on one message, at once."""
        if message.topic == self._topics.stop:
            self._receive_stop(message)
        elif message.topic == self._topics.committed:
            self._receive_committed(message)
        elif message.topic == self._topics.replay:
            self._receive_replay(message)
        else:
            self._findings.found("not subscribed", message.topic)

    def _receive_stop(self, message: Incoming) -> None:
        # A retained STOP was meant for another day; obeyed, it would stop the table at every
        # reconnect, for ever.
        if message.retained:
            self._findings.found("retained STOP", message.topic)
        else:
            self._stop(STOP_SOURCE)

    def _receive_committed(self, message: Incoming) -> None:
        said = committed_from(message.payload)
        if said is None:
            self._findings.found("malformed", message.topic)
        elif said.epoch != self._journal.epoch:
            self._findings.found("foreign epoch", message.topic)
        elif said.seq > self._journal.head_seq:
            self._findings.found("beyond the journal", message.topic)
        else:
            self._committed(said.seq)

    def _receive_replay(self, message: Incoming) -> None:
        # A retained request would be served again at every reconnect.
        asked = replay_from(message.payload)
        if message.retained:
            self._findings.found("retained replay", message.topic)
        elif asked is None:
            self._findings.found("malformed", message.topic)
        elif asked.epoch != self._journal.epoch:
            self._findings.found("foreign epoch", message.topic)
        elif asked.first > self._journal.head_seq:
            self._findings.found("beyond the journal", message.topic)
        elif len(self.replays) >= REPLAYS_MAX:
            self._findings.found("too many replays", message.topic)
        else:
            self.replays.append(Range(asked.first, min(asked.last, self._journal.head_seq)))
            self.replay_asked.set()
