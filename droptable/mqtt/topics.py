"""The names under which the table is found at the broker: `droptable/v1/{site}/{table}/...`.

Names only, the same for MQTT 3.1.1 and 5; nothing here publishes or subscribes.
"""

from dataclasses import dataclass

ROOT = "droptable/v1"


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one table; `site` and `table` are single levels (`settings.TopicLevel`)."""

    site: str
    table: str

    @property
    def base(self) -> str:
        return f"{ROOT}/{self.site}/{self.table}"

    @property
    def availability(self) -> str:
        """Retained `online` or `offline`, also the last will."""
        return f"{self.base}/availability"

    @property
    def state(self) -> str:
        """Retained snapshot without people's names."""
        return f"{self.base}/state"

    def event(self, kind: str) -> str:
        """Each event of that kind exactly as in the journal."""
        return f"{self.base}/event/{kind}"

    @property
    def head(self) -> str:
        """Retained epoch, highest seq and its hash."""
        return f"{self.base}/ledger/head"

    @property
    def committed(self) -> str:
        """Subscribed: what is durable with a sink."""
        return f"{self.base}/ledger/committed"

    @property
    def replay(self) -> str:
        """Subscribed: a sink asks for a range again."""
        return f"{self.base}/ledger/replay"

    @property
    def stop(self) -> str:
        """Subscribed: STOP, the only command there is."""
        return f"{self.base}/command/stop"

    @property
    def subscribed(self) -> tuple[str, ...]:
        """All that the daemon listens to, STOP first."""
        return (self.stop, self.committed, self.replay)
