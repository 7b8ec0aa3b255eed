"""One minute of what each sender says, as columns, and the events these columns are.

A block is the messages of one origin in the order it sent them; its arrival times never fall, so the
origin's own numbers rise in the order of arrival.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from steelyard.lab.market import Floats
from steelyard.lab.surface import Chain
from steelyard.lab.venues import Integers
from steelyard.ticks import Event, Funding, PriceTick, QuoteTick, TimeTick, VolatilityUpdate


class Block(Protocol):
    """Messages of one origin: when each arrives, and the events they become."""

    @property
    def origin(self) -> str:
        """Return who sends it."""
        ...

    @property
    def received_us(self) -> Integers:
        """Return the arrival times, never falling."""
        ...

    def events(self, received_us: list[int], first_seq: int) -> list[Event]:
        """Return the events with these arrival times, numbered from `first_seq`."""
        ...


@dataclass(frozen=True)
class PriceBlock:
    """Prices of one venue: coin rows, prices in USD."""

    origin: str
    received_us: Integers
    exchange_us: Integers
    coin: Integers
    price: Floats
    names: tuple[str, ...]

    def events(self, received_us: list[int], first_seq: int) -> list[Event]:
        """Return one PriceTick a message."""
        rows = zip(
            received_us,
            self.exchange_us.tolist(),
            self.coin.tolist(),
            self.price.tolist(),
            strict=True,
        )
        return [
            PriceTick(at, self.origin, seq, self.origin, self.names[coin], price, sent)
            for seq, (at, sent, coin, price) in enumerate(rows, first_seq)
        ]


@dataclass(frozen=True)
class QuoteBlock:
    """Best quotes of the perpetuals: instrument rows, bid and ask in USD."""

    origin: str
    received_us: Integers
    exchange_us: Integers
    instrument: Integers
    bid: Floats
    ask: Floats
    names: tuple[str, ...]

    def events(self, received_us: list[int], first_seq: int) -> list[Event]:
        """Return one QuoteTick a message."""
        rows = zip(
            received_us,
            self.exchange_us.tolist(),
            self.instrument.tolist(),
            self.bid.tolist(),
            self.ask.tolist(),
            strict=True,
        )
        return [
            QuoteTick(at, self.origin, seq, self.names[row], bid, ask, sent)
            for seq, (at, sent, row, bid, ask) in enumerate(rows, first_seq)
        ]


@dataclass(frozen=True)
class VolatilityBlock:
    """Volatilities of one chain: (times, options).

    seconds: arrival after the start of the market; an option that has expired by then is left out.
    """

    origin: str
    received_us: Integers
    exchange_us: Integers
    underlying: str
    chain: Chain
    seconds: Floats
    volatilities: Floats
    ratios: Floats

    def events(self, received_us: list[int], first_seq: int) -> list[Event]:
        """Return one VolatilityUpdate a time at which an option lives."""
        made: list[Event] = []
        names = np.array(self.chain.names, dtype=object)
        for row, at in enumerate(received_us):
            lives = self.chain.expiry_s > self.seconds[row]
            made.append(
                VolatilityUpdate(
                    at,
                    self.origin,
                    first_seq + row,
                    self.underlying,
                    self.chain.names if lives.all() else names[lives].tolist(),
                    self.volatilities[row, lives].tolist(),
                    self.ratios[row, lives].tolist(),
                    int(self.exchange_us[row]),
                )
            )
        return made


@dataclass(frozen=True)
class FundingBlock:
    """Funding rates: instrument rows, billionths."""

    origin: str
    received_us: Integers
    instrument: Integers
    rate_ppb: Integers
    names: tuple[str, ...]

    def events(self, received_us: list[int], first_seq: int) -> list[Event]:
        """Return one Funding a message."""
        rows = zip(received_us, self.instrument.tolist(), self.rate_ppb.tolist(), strict=True)
        return [
            Funding(at, self.origin, seq, self.names[row], rate)
            for seq, (at, row, rate) in enumerate(rows, first_seq)
        ]


@dataclass(frozen=True)
class TimeBlock:
    """The clock's seconds."""

    origin: str
    received_us: Integers

    def events(self, received_us: list[int], first_seq: int) -> list[Event]:
        """Return one TimeTick a second."""
        return [TimeTick(at, self.origin, seq) for seq, at in enumerate(received_us, first_seq)]
