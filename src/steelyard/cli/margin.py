"""`steelyard margin`: the margin of the accounts in a file, at one instant of a market."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from steelyard.cli.explain import branch
from steelyard.cli.output import console, print_json
from steelyard.cli.session import ACCOUNTS_PER_EVENT, opening_events
from steelyard.cli.wiring import parse_time_us, time_text
from steelyard.engine.engine import Engine
from steelyard.feeds import load_chain, open_market, read_accounts
from steelyard.lab import SimulatedMarket
from steelyard.margin import AccountRisk
from steelyard.publish import explain_risk
from steelyard.publish.views import margin_ratio, money
from steelyard.terms import load_method
from steelyard.terms.account import owner_of
from steelyard.ticks import AccountsLoaded, Event, InstrumentsListed

EXIT_OK, EXIT_BREACH = 0, 1


def margin_command(
    accounts: Path,
    market: Path | None,
    chain: Path | None,
    at: str,
    method: Path | None,
    parts: bool,
    as_json: bool,
) -> int:
    """Print the margin of every account in a file; return 1 if one is below its requirement."""
    at_us = parse_time_us(at, "at")
    engine = Engine(load_method(method))
    for event in _market_events(market, chain, at_us):
        engine.submit(event)
    records = read_accounts(accounts, engine.market.assets, engine.market.instruments)
    for number, first in enumerate(range(0, len(records), ACCOUNTS_PER_EVENT)):
        batch = records[first : first + ACCOUNTS_PER_EVENT]
        time_us = engine.market.time_us
        # Loading alone: the accounts are stated as they are, nobody is liquidated by asking.
        engine.load_only(AccountsLoaded(time_us, "file", number, batch))
    risks = [engine.risk_of(unit) for unit in sorted(engine.places)]
    rows = [_row(risk, engine, parts) for risk in risks if _is_shown(risk)]
    breached = [row["unit"] for row in rows if row["buffer"] < 0]
    report = {
        "time": time_text(engine.market.time_us),
        "market": str(market) if market else "simulated",
        "method": f"{engine.method.name} {engine.method.version}",
        "method_hash": engine.method.digest().hex(),
        "currency": engine.method.currency,
        "accounts": len(records),
        "below_requirement": breached,
        "units": rows,
    }
    if as_json:
        print_json(report)
    else:
        _print(console(), report)
    return EXIT_BREACH if breached else EXIT_OK


def _market_events(market: Path | None, chain: Path | None, at_us: int) -> list[Event]:
    """Return listings and last prices at an instant: recorded, or the simulated market's first."""
    if market is None:
        return opening_events(SimulatedMarket(7, at_us, 1))
    recorded = open_market(market, at_us, at_us + 60_000_000)
    events = opening_events(recorded)
    if chain is not None:
        carried = load_chain(chain, at_us, recorded.first_prices)
        events.append(InstrumentsListed(at_us, "chain", 1, carried.instruments))
        events += carried.updates
    return events


def _is_shown(risk: AccountRisk) -> bool:
    """Leave out an isolated owner that holds nothing but what it has set aside."""
    return bool(risk.equity or risk.maintenance_requirement)


def _row(risk: AccountRisk, engine: Engine, parts: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "unit": risk.unit,
        "account": owner_of(risk.unit),
        "mode": risk.mode,
        "equity": money(risk.equity),
        "initial_balance": money(risk.initial_balance),
        "initial_requirement": money(risk.initial_requirement),
        "maintenance_balance": money(risk.maintenance_balance),
        "maintenance_requirement": money(risk.maintenance_requirement),
        "buffer": money(risk.buffer),
        "margin_ratio": margin_ratio(risk.maintenance_balance, risk.maintenance_requirement),
    }
    if parts:
        row["trees"] = explain_risk(risk, engine.method)
    return row


def _print(out: Console, report: dict[str, Any]) -> None:
    table = Table(
        title=f"margin at {report['time']}, {report['method']}, {report['currency']}", expand=False
    )
    for name in ("unit", "mode"):
        table.add_column(name)
    for name in ("equity", "initial req.", "maintenance req.", "buffer", "margin ratio"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in report["units"]:
        ratio = "—" if row["margin_ratio"] is None else f"{row['margin_ratio']:,}"
        table.add_row(
            row["unit"],
            row["mode"],
            f"{row['equity']:,.2f}",
            f"{row['initial_requirement']:,.2f}",
            f"{row['maintenance_requirement']:,.2f}",
            f"{row['buffer']:,.2f}",
            f"{ratio} below" if row["buffer"] < 0 else ratio,
        )
    out.print(table)
    for row in report["units"]:
        for tree in row.get("trees", ()):
            out.print(f"[bold]{row['unit']}[/]")
            out.print(branch(tree, None))
