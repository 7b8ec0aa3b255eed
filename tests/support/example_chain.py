"""The example chain as the rows of a chain file; `python -m tests.support.example_chain` writes the test's.

The quotes come from a formula (`steelyard.models.example`), not from a venue.
"""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from pathlib import Path

from steelyard.feeds.option_chain import ChainQuotes
from steelyard.models.example import example_chain
from steelyard.terms.instrument import option_name

SNAPSHOT = "20260101T080000Z"
PATH = Path(__file__).resolve().parents[1] / "cli" / "example_chain.csv"

Row = dict[str, str]


def chain_rows(quotes: ChainQuotes, snapshot: str = SNAPSHOT) -> list[Row]:
    """Return one row a quote, every number to its last digit."""
    return [
        {
            "snapshot": snapshot,
            "instrument": instrument_name(quotes, i),
            "underlying_price": repr(float(quotes.forward[i])),
            "underlying_name": f"{quotes.underlying}-FUTURE",
            "bid": repr(round(float(quotes.bid[i]), 6)),
            "ask": repr(round(float(quotes.ask[i]), 6)),
            "mark_iv": repr(round(float(quotes.mark_volatility[i]), 6)),
            "index_price": repr(float(quotes.index[i])),
        }
        for i in range(len(quotes))
    ]


def instrument_name(quotes: ChainQuotes, i: int) -> str:
    """Return the name of a quote's option, as BTC-2JAN26-60000-C."""
    day = datetime.fromtimestamp(int(quotes.expiry_us[i]) // 1_000_000, UTC)
    strike = f"{quotes.strike[i]:.0f}"
    return option_name(
        quotes.underlying, day.day, day.month, day.year, strike, bool(quotes.is_call[i])
    )


def chain_text(rows: list[Row]) -> str:
    """Return rows as a CSV file."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


if __name__ == "__main__":
    PATH.write_text(chain_text(chain_rows(example_chain())), encoding="utf-8")
