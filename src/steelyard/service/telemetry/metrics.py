"""The metrics of a service: names, units, and where each comes from.

Names are `steelyard_<noun>_<unit>` with base units (seconds, bytes, a ratio), totals end in `_total`.
Latencies have buckets from 50 µs, since a decision takes milliseconds. The form is that of Prometheus
(prometheus.io, "Exposition formats").
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Counter, Histogram
    from prometheus_client.core import Metric

BUCKETS_S = (
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0,
    2.5, 5.0, 10.0,
)  # fmt: skip
METHODS_MAX = 200  # names of methods that become labels; a name that is none is "unknown"


class Stated(NamedTuple):
    """One metric: its kind, what it says, and its labels."""

    name: str
    kind: str
    says: str
    labels: tuple[str, ...] = ()


METRICS: tuple[Stated, ...] = (
    Stated("steelyard_events_total", "counter", "Input events applied, by kind", ("kind",)),
    Stated("steelyard_events_refused_total", "counter", "Input events refused, by the rule's code",
            ("code",)),
    Stated("steelyard_decision_seconds", "histogram", "From a tick to the end of its decisions"),
    Stated("steelyard_journal_flush_seconds", "histogram", "One commit of the journal to the disk"),
    Stated("steelyard_requests_total", "counter", "Requests answered, by method and outcome",
            ("method", "outcome")),
    Stated("steelyard_request_seconds", "histogram", "From a request read to its answer made",
            ("method",)),
    Stated("steelyard_seq", "gauge", "The last event of the engine"),
    Stated("steelyard_durable_seq", "gauge", "The last event that outlives a power cut"),
    Stated("steelyard_market_time_seconds", "gauge", "The engine's time, UTC seconds since 1970"),
    Stated("steelyard_is_stale", "gauge", "1 when no event came for longer than it should"),
    Stated("steelyard_margin_units", "gauge", "Margin units, by state", ("state",)),
    Stated("steelyard_insurance_fund_usdc", "gauge", "What the insurance fund holds, at index"),
    Stated("steelyard_bad_debt_usdc", "gauge", "Debts that accounts could not pay, so far"),
    Stated("steelyard_liquidated_accounts", "gauge", "Accounts with a full liquidation, so far"),
    Stated("steelyard_index_price_usd", "gauge", "Index price, by asset", ("asset",)),
    Stated("steelyard_index_age_seconds", "gauge", "Age of the index price, by asset", ("asset",)),
    Stated("steelyard_index_is_protected", "gauge", "1 when an asset is protected", ("asset",)),
    Stated("steelyard_sources_used", "gauge", "Sources that the index uses, by asset", ("asset",)),
    Stated("steelyard_connections", "gauge", "Open WebSocket connections"),
    Stated("steelyard_subscriptions", "gauge", "Subscriptions of all connections"),
    Stated("steelyard_changes_encoded_total", "counter", "Changes of channels, each encoded once"),
    Stated("steelyard_readers_restarted_total", "counter",
            "Snapshots sent to readers that were too slow for their deltas"),
    Stated("steelyard_rewind_restarts_total", "counter", "Restarts of the second process"),
)  # fmt: skip


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a service when a scraper asks; amounts in USDC, ages in seconds."""

    seq: int
    durable_seq: int
    market_time_s: float
    is_stale: bool
    units_by_state: Mapping[str, int]
    insurance_fund_usdc: float
    bad_debt_usdc: float
    liquidated_accounts: int
    index_prices_usd: Mapping[str, float]
    index_ages_s: Mapping[str, float]
    protected: frozenset[str]
    sources_used: Mapping[str, int]
    connections: int
    subscriptions: int
    changes_encoded: int
    readers_restarted: int
    rewind_restarts: int
    flushes_s: Iterable[float] = ()
    """Durations of the commits since the last reading."""


class Metrics:
    """Counts what happens, and says it with what is so. One for each service.

    read: gives the state when a scraper asks. methods: the names that may become labels.

    >>> metrics = Metrics(methods=["public/test"])
    >>> metrics.answered("public/test", "ok", 1_000)
    >>> metrics.answered("public/of_a_stranger", "RPCJ-E07", 1_000)
    >>> [line for line in metrics.text().decode().splitlines() if line.startswith("steelyard_requests_t")]
    ['steelyard_requests_total{method="public/test",outcome="ok"} 1.0', \
'steelyard_requests_total{method="unknown",outcome="RPCJ-E07"} 1.0']
    """

    def __init__(
        self, read: Callable[[], Reading] | None = None, methods: Iterable[str] = ()
    ) -> None:
        from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector

        self._registry: CollectorRegistry = CollectorRegistry()
        self._read = read
        self._methods = frozenset(list(methods)[:METHODS_MAX])
        self._counters: dict[str, Counter] = {}
        self._histograms: dict[str, Histogram] = {}
        self._answers: dict[tuple[str, str], tuple[Counter, Histogram]] = {}
        self._registry.register(self)  # first: what it reads is in the histograms after it
        for metric in METRICS:
            self._make(metric)
        self._decision = self._histograms["steelyard_decision_seconds"]
        self._flush = self._histograms["steelyard_journal_flush_seconds"]
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)

    def _make(self, metric: Stated) -> None:
        """Make what counts as it happens; gauges, and counters kept elsewhere, are read on demand."""
        from prometheus_client import Counter, Histogram

        if metric.kind == "histogram":
            self._histograms[metric.name] = Histogram(
                metric.name, metric.says, metric.labels, buckets=BUCKETS_S, registry=self._registry
            )
        elif metric.kind == "counter" and metric.labels:
            self._counters[metric.name] = Counter(
                metric.name, metric.says, metric.labels, registry=self._registry
            )

    # -- counting --------------------------------------------------------------------------------

    def event(self, kind: str, decision_s: float) -> None:
        """Count an event that was applied, and how long its decisions took."""
        self._counters["steelyard_events_total"].labels(kind).inc()
        self._decision.observe(decision_s)

    def refused(self, code: str) -> None:
        """Count an event that broke a rule."""
        self._counters["steelyard_events_refused_total"].labels(code).inc()

    def answered(self, method: str, outcome: str, us: int) -> None:
        """Count an answer. outcome: ok, or the code of the error. us: from read to made."""
        name = method if method in self._methods else "unknown"
        known = self._answers.get((name, outcome))
        if known is None:
            known = self._answers[name, outcome] = (
                self._counters["steelyard_requests_total"].labels(name, outcome),
                self._histograms["steelyard_request_seconds"].labels(name),
            )
        known[0].inc()
        known[1].observe(us / 1e6)

    # -- telling ---------------------------------------------------------------------------------

    def text(self) -> bytes:
        """Return everything in the text form of Prometheus."""
        from prometheus_client import generate_latest

        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Yield what is read on demand; called by the registry."""
        if self._read is None:
            return
        reading = self._read()
        for seconds in reading.flushes_s:
            self._flush.observe(seconds)
        known = {metric.name: metric for metric in METRICS}
        for name, value in _plain(reading).items():
            yield _told(known[name], [((), value)])
        for name, values in _labelled(reading).items():
            yield _told(known[name], [((label,), value) for label, value in values.items()])

    def describe(self) -> Iterable[Metric]:
        """Return nothing ahead: a registry that is made has nobody to ask yet."""
        return ()


def _plain(reading: Reading) -> dict[str, float]:
    """Return the values without labels, by metric."""
    return {
        "steelyard_seq": reading.seq,
        "steelyard_durable_seq": reading.durable_seq,
        "steelyard_market_time_seconds": reading.market_time_s,
        "steelyard_is_stale": float(reading.is_stale),
        "steelyard_insurance_fund_usdc": reading.insurance_fund_usdc,
        "steelyard_bad_debt_usdc": reading.bad_debt_usdc,
        "steelyard_liquidated_accounts": reading.liquidated_accounts,
        "steelyard_connections": reading.connections,
        "steelyard_subscriptions": reading.subscriptions,
        "steelyard_changes_encoded_total": reading.changes_encoded,
        "steelyard_readers_restarted_total": reading.readers_restarted,
        "steelyard_rewind_restarts_total": reading.rewind_restarts,
    }


def _labelled(reading: Reading) -> dict[str, Mapping[str, float]]:
    """Return the values by their one label, by metric."""
    assets = reading.index_prices_usd
    return {
        "steelyard_margin_units": reading.units_by_state,
        "steelyard_index_price_usd": assets,
        "steelyard_index_age_seconds": reading.index_ages_s,
        "steelyard_index_is_protected": {a: float(a in reading.protected) for a in assets},
        "steelyard_sources_used": reading.sources_used,
    }


def _told(metric: Stated, values: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    family = (
        CounterMetricFamily(metric.name.removesuffix("_total"), metric.says, labels=metric.labels)
        if metric.kind == "counter"
        else GaugeMetricFamily(metric.name, metric.says, labels=metric.labels)
    )
    for labels, value in values:
        family.add_metric(labels, value)
    return family
