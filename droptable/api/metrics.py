"""What Prometheus is shown. Read from the gateway at the moment of the scrape; nothing is kept."""

from collections.abc import Iterable
from math import nan

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from droptable.api.door import Gateway
from droptable.api.stream import Audience
from droptable.sections import Section


class TableMetrics(Collector):
    """The table, its journal and the sockets, as metrics."""

    def __init__(self, gateway: Gateway, audience: Audience) -> None:
        self._gateway = gateway
        self._audience = audience

    def collect(self) -> Iterable[Metric]:
        """Every metric with its value now."""
        snapshot, figures = self._gateway.snapshot(), self._gateway.figures()
        age_s = nan if snapshot.age_ms is None else snapshot.age_ms / 1000
        yield _gauge("status_age_seconds", "Age of the newest board status; NaN: none", age_s)
        yield _gauge("link_live", "1 while the board answers", snapshot.link.state == "live")
        yield _gauge("state_seq", "Number of the newest state", snapshot.state_seq)
        yield _gauge("journal_head_seq", "Highest number in the journal", figures.journal_head_seq)
        yield _gauge("ws_clients", "Sockets that are open now", self._audience.clients)
        slow = CounterMetricFamily("droptable_ws_too_slow", "Sockets closed for not reading")
        slow.add_metric([], self._audience.too_slow)
        yield slow
        drops = CounterMetricFamily(
            "droptable_drops", "Drops recorded since the daemon started", labels=["section"]
        )
        for section in Section:
            drops.add_metric([section.label], figures.drops[section])
        yield drops


def registry_of(gateway: Gateway, audience: Audience) -> CollectorRegistry:
    """A registry of this app alone, so that two apps in one process do not meet."""
    registry = CollectorRegistry()
    registry.register(TableMetrics(gateway, audience))
    return registry


def _gauge(name: str, meaning: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"droptable_{name}", meaning, value=value)
