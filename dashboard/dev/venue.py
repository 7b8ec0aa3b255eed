"""A made-up venue in the structs of the wire: what the page shows while no engine is at hand.

Numbers walk by a seeded generator, so a run looks like the one before. Nothing here is margined: it is a
source of payloads of the right shape and size, for building the page and for its tests.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from steelyard.decisions import STATE_NAMES
from steelyard.service.channels import payloads

START_US = 1_790_000_000_000_000
STEP_US = 200_000
SOURCES = (
    ("binance", "Binance", "exchange", 1, 30, "USDT"),
    ("coinbase", "Coinbase", "exchange", 1, 25, "USD"),
    ("kraken", "Kraken", "exchange", 1, 15, "USD"),
    ("okx", "OKX", "exchange", 2, 15, "USDT"),
    ("pyth", "Pyth Data Association", "oracle", 2, 15, "USD"),
)
ASSETS = {"BTC": 67_123.45, "ETH": 3_254.12, "SOL": 148.62}
MODES = ("portfolio", "cross", "isolated")


class Venue:
    """The state of the made-up venue; `step` moves it by a fifth of a second.

    is_stale: it says that no event comes, and stands still.
    """

    def __init__(self, units: int = 10_000, seed: int = 7) -> None:
        self.random = random.Random(seed)
        self.seq = 120_000
        self.time_us = START_US
        self.is_stale = False
        self.prices = dict(ASSETS)
        self.fund_micro = 5_000_000_000_000
        self.bad_debt_micro = 0
        self.liquidated = 3
        self.units = [f"acc-{n:05d}" for n in range(units)]
        self.modes = [MODES[0 if n % 10 == 0 else 2 if n % 4 == 0 else 1] for n in range(units)]
        draw = self.random
        self.equity = [int(draw.lognormvariate(9.5, 1.4) * 1e6) for _ in self.units]
        self.requirement = [int(e / draw.lognormvariate(1.4, 0.55)) for e in self.equity]
        for n in range(0, units, 37):
            self.requirement[n] = 0
        self.positions = [0 if not r else draw.randint(1, 24) for r in self.requirement]
        self.state = [self._state(n) for n in range(units)]
        self.events: list[payloads.EventData] = []
        self.history: list[tuple[int, int, dict[str, float], int, int, int]] = []
        for back in range(600, 0, -1):
            self._remember(self.seq - 60 * back, self.time_us - back * 1_000_000)
            self._move_prices()

    # -- moving ----------------------------------------------------------------------------------

    def step(self) -> list[int]:
        """Move everything on; return the rows that changed."""
        if self.is_stale:
            return []
        draw = self.random
        self.seq += 12
        self.time_us += STEP_US
        self._move_prices()
        rows = sorted(draw.sample(range(len(self.units)), len(self.units) * 3 // 10))
        for n in rows:
            self.equity[n] += int(draw.gauss(0.0, 0.004) * abs(self.equity[n]))
            self.requirement[n] = max(0, int(self.requirement[n] * (1 + draw.gauss(0.0, 0.003))))
            before, self.state[n] = self.state[n], self._state(n)
            if self.state[n] != before:
                text = f"{STATE_NAMES[before]} → {STATE_NAMES[self.state[n]]}".replace("_", " ")
                self._tell(self.units[n], "state", text)
        if draw.random() < 0.02:
            self.fund_micro -= int(draw.random() * 2e9)
            self.liquidated += 1
            self._tell("insurance fund", "fund", "covers a shortfall")
        if self.time_us % 1_000_000 == 0:
            self._remember(self.seq, self.time_us)
        return rows

    def _move_prices(self) -> None:
        for asset in self.prices:
            self.prices[asset] *= 1 + self.random.gauss(0.0, 0.0004)

    def _state(self, n: int) -> int:
        balance, requirement = int(0.97 * self.equity[n]), self.requirement[n]
        if balance <= 0 and requirement:
            return 6
        if not requirement or balance >= 2 * requirement:
            return 0
        ratio = balance / requirement
        return (
            1 if ratio > 1.3 else 2 if ratio > 1.1 else 3 if ratio > 1 else 4 if ratio > 0.9 else 5
        )

    def _tell(self, subject: str, kind: str, text: str) -> None:
        self.events.append(payloads.EventData(self.seq, self.time_us, subject, kind, text))
        del self.events[:-200]

    def _remember(self, seq: int, time_us: int) -> None:
        by_state = [self.state.count(s) for s in range(len(STATE_NAMES))]
        row = (seq, time_us, dict(self.prices), self.fund_micro, self.bad_debt_micro, by_state[4])
        self.history.append((*row[:5], self.liquidated))
        del self.history[:-600]

    # -- telling ---------------------------------------------------------------------------------

    def accounts(self, rows: Sequence[int] | None, change: int) -> payloads.AccountsData:
        """Return the columns of the rows, of all of them in a snapshot (None)."""
        chosen = range(len(self.units)) if rows is None else rows
        is_whole = rows is None
        return payloads.AccountsData(
            type="snapshot" if is_whole else "change", change_id=change,
            previous_change_id=None if is_whole else change - 1, as_of_seq=self.seq,
            time_us=self.time_us, states=list(STATE_NAMES),
            units=self.units if is_whole else [], owners=self.units if is_whole else [],
            modes=self.modes if is_whole else [], rows=None if is_whole else list(chosen),
            state=[self.state[n] for n in chosen],
            positions=[self.positions[n] for n in chosen],
            equity_micro=[self.equity[n] for n in chosen],
            initial_balance_micro=[int(0.95 * self.equity[n]) for n in chosen],
            initial_requirement_micro=[int(1.4 * self.requirement[n]) for n in chosen],
            maintenance_balance_micro=[int(0.97 * self.equity[n]) for n in chosen],
            maintenance_requirement_micro=[self.requirement[n] for n in chosen],
        )  # fmt: skip

    def told_events(self, change: int, since: int | None) -> payloads.EventsData:
        """Return the lines after an event, the latest of all in a snapshot (None)."""
        lines = [e for e in self.events if since is None or e.seq > since]
        return payloads.EventsData(
            type="snapshot" if since is None else "change", change_id=change,
            previous_change_id=None if since is None else change - 1, as_of_seq=self.seq,
            time_us=self.time_us, events=lines,
        )  # fmt: skip

    def overview(self) -> payloads.OverviewData:
        """Return the venue at a glance."""
        return payloads.OverviewData(
            as_of_seq=self.seq, time_us=self.time_us, title="Demo venue, crash", currency="USDC",
            method="house", method_version="1.0.0", method_hash="9f" * 32,
            accounts=len(self.units), units_by_state=self._by_state(),
            open_interest_usd=self._open_interest(), insurance_fund_micro=self.fund_micro,
            bad_debt_micro=self.bad_debt_micro, bad_debt_uncovered_micro=0, called=231, reduced=48,
            liquidated=self.liquidated, bankrupt=1, refused=0,
            total_equity_micro=sum(self.equity),
            total_maintenance_requirement_micro=sum(self.requirement), controls=[],
        )  # fmt: skip

    def transparency(self) -> payloads.TransparencyData:
        """Return what anybody may see."""
        return payloads.TransparencyData(
            as_of_seq=self.seq, time_us=self.time_us, title="Demo venue, crash", currency="USDC",
            method="house", method_version="1.0.0", method_hash="9f" * 32, state_hash="c4" * 32,
            state_hash_seq=self.seq // 25_000 * 25_000, sums_are_zero=True,
            accounts=len(self.units), units_by_state=self._by_state(),
            open_interest_usd=self._open_interest(), insurance_fund_micro=self.fund_micro,
            bad_debt_micro=self.bad_debt_micro, bad_debt_uncovered_micro=0,
            liquidated=self.liquidated, indices=dict(self.prices),
            conditions=dict.fromkeys(self.prices, "healthy"),
        )  # fmt: skip

    def health(self) -> payloads.HealthData:
        """Return how the sources and the engine are doing."""
        return payloads.HealthData(
            as_of_seq=self.seq, durable_seq=self.seq - 3, time_us=self.time_us,
            is_stale=self.is_stale, stale_after_us=5_000_000,
            events_per_second=0.0 if self.is_stale else 58.4, decision_p50_us=3_600.0,
            decision_p99_us=5_600.0, flush_p50_us=700.0, flush_p99_us=2_100.0,
            shares={"marks": 0.08, "valuation": 0.31, "margin": 0.44, "decisions": 0.1, "rest": 0.07},
            assets=[self._asset(asset, price) for asset, price in self.prices.items()], signals=[],
        )  # fmt: skip

    def past(self) -> payloads.HistoryData:
        """Return the venue over time."""
        rows = self.history
        return payloads.HistoryData(
            as_of_seq=self.seq, seq=[r[0] for r in rows], time_us=[r[1] for r in rows],
            index_prices={asset: [r[2][asset] for r in rows] for asset in self.prices},
            units_by_state={
                name: [self.state.count(s)] * len(rows) for s, name in enumerate(STATE_NAMES)
            },
            insurance_fund_micro=[r[3] for r in rows], bad_debt_micro=[r[4] for r in rows],
            liquidated=[r[5] for r in rows],
        )  # fmt: skip

    def _by_state(self) -> dict[str, int]:
        return {name: self.state.count(s) for s, name in enumerate(STATE_NAMES)}

    def _open_interest(self) -> dict[str, float]:
        units = (8_120.0, 64_000.0, 410_000.0)
        return {a: p * n for (a, p), n in zip(self.prices.items(), units, strict=True)}

    def _asset(self, asset: str, price: float) -> payloads.AssetData:
        draw = random.Random(self.seq + len(asset) * price)
        sources = [
            payloads.SourceData(
                name, operator, kind, tier, weight, quote,
                "deviating" if name == "okx" and asset == "SOL" else "used",
                price * (1 + (0.021 if name == "okx" and asset == "SOL" else draw.gauss(0.0, 8e-5))),
                int(draw.expovariate(1 / 400_000)),
            )
            for name, operator, kind, tier, weight, quote in SOURCES
        ]  # fmt: skip
        used = [s.price for s in sources if s.verdict == "used"]
        perpetual = payloads.MarkData(f"{asset}-PERPETUAL", price * 1.0003, 300_000, 8_120.0)
        return payloads.AssetData(
            asset=asset, index_price=price, index_low=min(used), index_high=max(used),
            condition="second_tier" if asset == "SOL" else "healthy", is_protected=False, age_us=min(s.age_us for s in sources),
            age_ppm=0, implied_condition="healthy", implied_age_ppm=0, volatility=0.52,
            implied_volatility=0.55 if asset != "SOL" else None, depth_bid_usd=4.1e6,
            depth_ask_usd=3.8e6, marks=[perpetual], sources=sources,
        )  # fmt: skip
