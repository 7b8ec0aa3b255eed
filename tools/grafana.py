"""Writes the Grafana dashboard of the service from its metrics: docs/grafana.json.

    python -m tools.grafana            write it
    python -m tools.grafana --check    fail when it is stale

A panel may only ask for metrics that the service has; a test reads every expression.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

from tools.made import make

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "grafana.json"
SOURCE = {"type": "prometheus", "uid": "${source}"}
WIDTH, HEIGHT, ROW = 8, 7, 24


class Panel(NamedTuple):
    """A panel: what it shows, of which expressions (legend → PromQL), in which unit of Grafana."""

    title: str
    unit: str
    expressions: dict[str, str]
    kind: str = "timeseries"


def quantile(metric: str, share: str) -> str:
    """Return the expression of a quantile of a histogram over a minute."""
    return f"histogram_quantile({share}, sum by (le) (rate({metric}_bucket[1m])))"


PANELS: tuple[Panel, ...] = (
    Panel("Events behind the disk", "short",
          {"events not durable": "steelyard_seq - steelyard_durable_seq"}),
    Panel("Decision after a tick", "s", {
        "p50": quantile("steelyard_decision_seconds", "0.5"),
        "p99": quantile("steelyard_decision_seconds", "0.99"),
    }),
    Panel("Commit of the journal", "s", {
        "p50": quantile("steelyard_journal_flush_seconds", "0.5"),
        "p99": quantile("steelyard_journal_flush_seconds", "0.99"),
    }),
    Panel("Events a second", "short", {"{{kind}}": "sum by (kind) (rate(steelyard_events_total[1m]))"}),
    Panel("Refused events a second", "short",
          {"{{code}}": "sum by (code) (rate(steelyard_events_refused_total[1m]))"}),
    Panel("Is stale", "short", {"stale": "steelyard_is_stale"}, "stat"),
    Panel("Margin units not normal", "short", {"{{state}}": 'steelyard_margin_units{state!="normal"}'}),
    Panel("Insurance fund and bad debt", "currencyUSD", {
        "fund": "steelyard_insurance_fund_usdc", "bad debt": "steelyard_bad_debt_usdc",
    }),
    Panel("Liquidated accounts", "short", {"so far": "steelyard_liquidated_accounts"}, "stat"),
    Panel("Index prices", "currencyUSD", {"{{asset}}": "steelyard_index_price_usd"}),
    Panel("Age of the index", "s", {"{{asset}}": "steelyard_index_age_seconds"}),
    Panel("Protected, and sources in use", "short", {
        "protected {{asset}}": "steelyard_index_is_protected", "sources {{asset}}": "steelyard_sources_used",
    }),
    Panel("Requests a second", "reqps",
          {"{{method}}": "sum by (method) (rate(steelyard_requests_total[1m]))"}),
    Panel("Refused requests a second", "reqps",
          {"{{outcome}}": 'sum by (outcome) (rate(steelyard_requests_total{outcome!="ok"}[1m]))'}),
    Panel("Answers", "s", {
        "p99 {{method}}": "histogram_quantile(0.99, sum by (le, method) "
                          "(rate(steelyard_request_seconds_bucket[1m])))",
    }),
    Panel("Connections and subscriptions", "short", {
        "connections": "steelyard_connections", "subscriptions": "steelyard_subscriptions",
    }),
    Panel("Changes told, and readers begun anew", "short", {
        "changes/s": "rate(steelyard_changes_encoded_total[1m])",
        "readers begun anew/s": "rate(steelyard_readers_restarted_total[1m])",
    }),
    Panel("Memory, restarts of the second process", "bytes", {
        "resident": "process_resident_memory_bytes", "restarts": "steelyard_rewind_restarts_total",
    }),
)  # fmt: skip


def dashboard() -> dict[str, Any]:
    """Return the dashboard as Grafana imports it."""
    panels = []
    for number, panel in enumerate(PANELS):
        place = number * WIDTH
        panels.append({
            "id": number + 1,
            "type": panel.kind,
            "title": panel.title,
            "datasource": SOURCE,
            "gridPos": {"h": HEIGHT, "w": WIDTH, "x": place % ROW, "y": place // ROW * HEIGHT},
            "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
            "targets": [
                {"refId": chr(65 + k), "datasource": SOURCE, "expr": expression, "legendFormat": legend}
                for k, (legend, expression) in enumerate(panel.expressions.items())
            ],
        })  # fmt: skip
    choice = {"name": "source", "type": "datasource", "query": "prometheus", "label": "Source"}
    return {
        "title": "Steelyard",
        "uid": "steelyard",
        "schemaVersion": 39,
        "refresh": "5s",
        "time": {"from": "now-15m", "to": "now"},
        "templating": {"list": [choice]},
        "panels": panels,
    }


def render() -> str:
    """Return the file."""
    return json.dumps(dashboard(), indent=2) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Write or check the file; return 1 when it is stale."""
    return make("the Grafana dashboard of the service", "tools.grafana", render, TARGET, arguments)


if __name__ == "__main__":
    sys.exit(main())
