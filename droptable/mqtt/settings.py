"""How the broker is reached and what this table is called there.

Values only; where they come from (files, environment) is `daemon/config.py`'s.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

TopicLevel = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$")]
"""One level of a topic: neither `/`, `+`, `#`, blanks, nor a leading `$`."""


class MqttSettings(BaseModel):
    """One broker and this table's place at it; the times are chosen for a network in a practice."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    site: TopicLevel
    table: TopicLevel
    host: str = Field("127.0.0.1", min_length=1, max_length=253)
    port: int = Field(1883, ge=1, le=65_535)
    username: str | None = Field(None, min_length=1, max_length=256)
    password: SecretStr | None = None
    protocol: Literal["3.1.1", "5"] = "5"
    sink: bool = Field(
        False, description="A sink says on `ledger/committed` what is durable with it"
    )
    home_assistant: TopicLevel | None = Field(
        None, description="Where Home Assistant looks for devices; None: it is told nothing"
    )
    keepalive_s: int = Field(
        10, ge=1, le=600, description="An idle connection is proven this often"
    )
    connect_timeout_s: float = Field(5.0, gt=0, le=60, description="For TCP and CONNACK, each")
    publish_timeout_s: float = Field(
        5.0, gt=0, le=60, description="A broker that acknowledges nothing for so long is gone"
    )
    retry_first_ms: int = Field(250, ge=1, le=60_000, description="First pause before reconnecting")
    retry_most_ms: int = Field(
        15_000, ge=1, le=600_000, description="Longest pause, after doubling"
    )

    @property
    def client_id(self) -> str:
        """The same for every connection of this table, so that the broker ends a stale one."""
        return f"droptable-{self.site}-{self.table}"

    @property
    def address(self) -> str:
        """The broker as people write it, `host:port`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"
