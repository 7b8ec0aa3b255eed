"""The report at the end of a session on the terminal, and how figures are written in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from steelyard.cli.session import Session
from steelyard.publish.story import price_words
from steelyard.publish.views import money

Report = Mapping[str, Any]


def print_summary(console: Console, report: Report, session: Session) -> None:
    """Print the report of a session in tables, and the commands that look further into it.

    report: as `run --json` prints it; `History.facts()` adds the closed notional, the times in which
    assets were protected and the largest liquidations, and sections without their keys are left out.
    """
    title = str(report.get("title", "session"))
    early = " (ended early)" if report.get("is_interrupted") else ""
    console.print()
    console.print(Rule(Text(f"Steelyard · {title}{early}", style="bold cyan"), align="left"))
    for head, rows in (
        ("Run", _run_rows(report)),
        ("Accounts hit", _hit_rows(report)),
        ("Money", _money_rows(report)),
        ("Time", _time_rows(report)),
        ("Journal", _journal_rows(report)),
    ):
        _print_pairs(console, head, rows)
    _print_refused(console, report)
    _print_protected(console, report)
    _print_liquidations(console, report)
    _print_next(console, report, session)


# -- sections ------------------------------------------------------------------------------------


def _run_rows(report: Report) -> list[tuple[str, str]]:
    return [
        ("window", f"{_moment(report['from'])} → {_moment(report['to'])} UTC"),
        (
            "venue",
            f"{report['accounts']:,} accounts in {report['margin_units']:,} margin units, "
            f"{report['instruments']:,} instruments, {report['shards']} shard(s)",
        ),
        (
            "ticks",
            f"{report['ticks']:,} in {report['elapsed_s']:,.1f} s "
            f"= {report['ticks_per_second']:,.0f} ticks/s",
        ),
        ("method", str(report["method"])),
    ]


def _hit_rows(report: Report) -> list[tuple[str, str]]:
    total = report["accounts"]
    return [
        (words, f"{report[key]:>7,}  {_share(report[key], total)} of all accounts")
        for words, key in (
            ("margin calls", "margin_calls"),
            ("partial reductions", "partial_reductions"),
            ("full liquidations", "full_liquidations"),
            ("bankruptcies", "bankruptcies"),
        )
    ]


def _money_rows(report: Report) -> list[tuple[str, str]]:
    currency = report["currency"]
    covered = report["bad_debt"] - report["bad_debt_uncovered"]
    amounts = [
        ("closed notional", report.get("closed_notional")),
        ("liquidation fees", report.get("liquidation_fees")),
        ("insurance fund before", report["insurance_fund_before"]),
        ("insurance fund after", report["insurance_fund"]),
        ("fund draws", report["insurance_fund_draws"]),
        ("bad debt", report["bad_debt"]),
        ("  paid by the fund", covered),
        ("  not covered", report["bad_debt_uncovered"]),
    ]
    shown = [(words, amount_text(a)) for words, a in amounts if a is not None]
    width = max(len(text) for _, text in shown)
    rows = [(words, f"{text:>{width}} {currency}") for words, text in shown]
    if "closes" in report:
        rows.insert(0, ("closes", f"{report['closes']:>{width},}"))
    proven = "yes, proven at the end" if report["sums_are_zero"] else "NO"
    return [*rows, ("sums are zero", proven)]


def _time_rows(report: Report) -> list[tuple[str, str]]:
    decision, flush = report["tick_to_decision_us"], report["journal_flush_us"]
    shares = sorted(report["room_shares"].items(), key=lambda item: -item[1])
    rooms = ", ".join(f"{room} {share:.0%}" for room, share in shares if share >= 0.005)
    rows = [
        ("tick to decision", _quantiles(decision)),
        ("  share of each room", rooms or "nothing measured"),
    ]
    if age := report["cadence"]["mark_age"]:
        seconds = [age[key] / 1e6 for key in ("p50_us", "p99_us", "longest_us")]
        rows.append(
            (
                "age of deciding marks",
                "p50 {:.3g} s, p99 {:.3g} s, longest {:.3g} s".format(*seconds),
            )
        )
    flushes = flush.get("flushes")
    counted = f" in {flushes:,} flushes" if flushes else ""
    return [*rows, ("journal flush", _quantiles(flush) + counted)]


def _journal_rows(report: Report) -> list[tuple[str, str]]:
    rows = [
        ("journal", str(report["journal"])),
        ("state hash", f"{report['state_hash']} at seq {report['seq']:,}"),
    ]
    if report.get("plots"):
        rows.append(("plots", str(report["plots"])))
    return rows


def _print_refused(console: Console, report: Report) -> None:
    refused: Mapping[str, int] = report.get("refused") or {}
    if refused:
        rows = [(code, f"{count:,} events") for code, count in refused.items()]
        _print_pairs(console, "Refused", rows)


def _print_protected(console: Console, report: Report) -> None:
    spans: list[Report] | None = report.get("protected_spans")
    if spans is None:
        return
    if not spans:
        _print_pairs(console, "Protected assets", [("none", "every index kept its quorum")])
        return
    times: dict[str, list[Report]] = {}
    for span in spans:
        times.setdefault(span["asset"], []).append(span)
    rows = []
    for asset, of_asset in times.items():
        seconds = sum(span["seconds"] for span in of_asset)
        first = _moment(of_asset[0]["from"])[11:]
        still = ", still protected" if of_asset[-1]["to"] is None else ""
        often = "once" if len(of_asset) == 1 else f"{len(of_asset)} times"
        rows.append((asset, f"{seconds:,.1f} s, {often}, first at {first}{still}"))
    _print_pairs(console, "Protected assets", rows)


def _print_liquidations(console: Console, report: Report) -> None:
    largest: list[Report] | None = report.get("largest_liquidations")
    if not largest:
        return
    table = Table(box=None, padding=(0, 1), pad_edge=False)
    table.add_column("Largest liquidations", style="bold", overflow="fold", header_style="cyan")
    table.add_column("instrument", overflow="fold", header_style="dim")
    # A narrow terminal keeps what was closed, at which price, and how far from the mark.
    heads: tuple[str, ...] = ("quantity", "price", "price/mark")
    if console.width >= 110:
        heads = ("quantity", "notional", "price", "mark", "price/mark")
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True, header_style="dim")
    for each in largest:
        apart = float(each["price"] / each["mark"]) - 1 if each["mark"] else None
        cells = {
            "quantity": f"{each['quantity'].normalize():,f}".replace("-", "−"),
            "notional": amount_text(each["notional"]),
            "price": price_words(each["price"]),
            "mark": price_words(each["mark"]),
            "price/mark": "–" if apart is None else percent_text(apart),
        }
        table.add_row(Text(each["account"]), Text(each["instrument"]), *(cells[h] for h in heads))
    console.print()
    console.print(table)


def _print_next(console: Console, report: Report, session: Session) -> None:
    """Say which commands look further, with an account that really met something."""
    journal = report["journal"]
    tally = session.tally
    rows = []
    for words, met in (
        ("liquidated", tally.liquidated),
        ("reduced", tally.reduced),
        ("called", tally.margin_called),
    ):
        if met:
            account = _first(report, words) or next(iter(met))
            rows.append((f"steelyard explain {account} --journal {journal}", f"why it was {words}"))
            break
    rows.append((f"steelyard replay {journal} --verify", "every byte, every outcome, one hash"))
    rows.append((f"steelyard replay {journal} --shards 8", "the same hash with eight shards"))
    console.print()
    console.print(Text("What to type next", style="bold cyan"))
    for command, why in rows:
        console.print(
            Text.assemble(("  " + command, "bold"), ("   # " + why, "dim")), soft_wrap=True
        )


def _first(report: Report, words: str) -> str | None:
    largest = report.get("largest_liquidations")
    return str(largest[0]["account"]) if largest and words == "liquidated" else None


def _print_pairs(console: Console, head: str, rows: Iterable[tuple[str, str]]) -> None:
    table = Table(box=None, padding=(0, 1), pad_edge=False, show_header=False)
    table.add_column(no_wrap=True, width=24)
    table.add_column(overflow="fold")
    for words, value in rows:
        table.add_row(Text("  " + words, style="dim"), Text(value))
    console.print()
    console.print(Text(head, style="bold cyan"))
    console.print(table)


# -- figures in words ----------------------------------------------------------------------------


def _moment(text: str) -> str:
    return text.replace("T", " ").removesuffix("Z")


def _quantiles(us: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {micros_text(us[name])}" for name in ("p50", "p99", "max"))


def _share(count: int, total: int) -> str:
    return f"{count / total:6.2%}" if total else "–"


def amount_text(amount: Decimal) -> str:
    """Return an amount to the cent, rounded half to even, with a true minus sign.

    >>> amount_text(Decimal("-1234.565")), amount_text(Decimal(0))
    ('−1,234.56', '0.00')
    """
    return f"{amount:,.2f}".replace("-", "−")


def usdc_text(micro: int) -> str:
    """Return micro-USDC as an amount to the cent.

    >>> usdc_text(5_000_019_516_109), usdc_text(-1_500_000)
    ('5,000,019.52', '−1.50')
    """
    return amount_text(money(micro))


def price_text(price: float) -> str:
    """Return a price with as many digits as its size deserves.

    >>> price_text(119859.23), price_text(27.388763), price_text(0.24452282)
    ('119,859.23', '27.3888', '0.244523')
    """
    decimals = 2 if abs(price) >= 1000 else 4 if abs(price) >= 1 else 6
    return f"{price:,.{decimals}f}"


def percent_text(share: float) -> str:
    """Return a signed percentage with a true minus sign.

    >>> percent_text(-0.0231), percent_text(0.001)
    ('−2.31 %', '+0.10 %')
    """
    return f"{share:+.2%}".replace("-", "−").replace("%", " %")


def micros_text(us: float) -> str:
    """Return a duration given in µs, in µs, ms or s.

    >>> micros_text(68.2), micros_text(3082.4), micros_text(2_500_000)
    ('68 µs', '3.08 ms', '2.50 s')
    """
    if us < 1000:
        return f"{us:.0f} µs"
    return f"{us / 1000:.2f} ms" if us < 1e6 else f"{us / 1e6:.2f} s"
