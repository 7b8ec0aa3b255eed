"""`steelyard feeds list`: the venues and oracle networks, who runs them, where, and their limits."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from steelyard.cli.output import console, print_json
from steelyard.feeds.live.registry import CLIENTS, ORACLES, venue_terms


def venue_rows() -> list[dict[str, Any]]:
    """Return every venue, oracle network and library by name."""
    rows = []
    for name in (*CLIENTS, *ORACLES):
        terms = venue_terms(name)
        rows.append(
            {
                "venue": name,
                "kind": "library"
                if name == "ccxt"
                else "oracle"
                if name in ORACLES
                else "exchange",
                "operator": terms.operator,
                "websocket_url": terms.websocket_url,
                "rest_url": terms.rest_url,
                "subscriptions_max": terms.subscriptions_max,
                "send_interval_ms": terms.send_interval_us / 1_000,
                "silence_s": terms.silence_us / 1e6,
                "documentation": terms.documentation,
                "source": terms.source,
            }
        )
    return rows


def list_command(as_json: bool) -> int:
    """Print the venues; exit code 0."""
    rows = venue_rows()
    if as_json:
        print_json({"venues": rows})
        return 0
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in (
        "venue",
        "operator",
        "address",
        "subscriptions",
        "ms between sends",
        "silence s",
        "documents of",
    ):
        table.add_column(head, justify="right" if head[0] in "sm" else "left", overflow="fold")  # fmt: skip
    for row in rows:
        table.add_row(
            row["venue"],
            row["operator"],
            row["websocket_url"] or row["rest_url"] or "that of the library",
            str(row["subscriptions_max"]),
            f"{row['send_interval_ms']:g}",
            f"{row['silence_s']:g}",
            row["source"],
        )
    console().print(table)
    console().print("Where each protocol is described: steelyard feeds list --json", style="dim")
    return 0
