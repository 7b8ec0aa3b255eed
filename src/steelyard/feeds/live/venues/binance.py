"""Binance's three public markets: spot, USD-M futures and COIN-M futures.

Streams are named in the address (`/stream?streams=a/b`), what does not fit there is asked for by SUBSCRIBE;
then LIST_SUBSCRIPTIONS shows what the server really took. Books need a snapshot over HTTP, see
`binance_book`. The USD-M market serves quotes and books at /public, trades and marks at /market, and is
silent about a stream of the other place: `split` says which subscriptions need a connection of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from steelyard.feeds.live.client import VenueTerms
from steelyard.feeds.live.messages import Message, Reference
from steelyard.feeds.live.venues import binance_frames as frames
from steelyard.feeds.live.venues.binance_book import place_futures, place_spot
from steelyard.feeds.live.venues.binance_client import BinanceClient, Stream
from steelyard.feeds.live.venues.reading import PRICE_MAX, PRICE_MIN
from steelyard.quantities import InputError

SPOT_TERMS = VenueTerms(
    name="binance-spot",
    operator="binance",
    websocket_url="wss://stream.binance.com:9443",
    rest_url="https://api.binance.com",
    send_interval_us=500_000,
    subscriptions_max=1024,
    silence_us=45_000_000,
    documentation="https://developers.binance.com/en/docs/products/spot/web-socket-streams",
    source="2026-09-18",
)
USDM_TERMS = VenueTerms(
    name="binance-usdm",
    operator="binance",
    websocket_url="wss://fstream.binance.com",
    rest_url="https://fapi.binance.com",
    send_interval_us=200_000,
    subscriptions_max=1024,
    silence_us=45_000_000,
    documentation="https://developers.binance.com/docs/derivatives/usds-margined-futures",
    source="2026-04-23",
)
COINM_TERMS = VenueTerms(
    name="binance-coinm",
    operator="binance",
    websocket_url="wss://dstream.binance.com",
    rest_url="https://dapi.binance.com",
    send_interval_us=200_000,
    subscriptions_max=1024,
    silence_us=45_000_000,
    documentation="https://developers.binance.com/docs/derivatives/coin-margined-futures",
    source="2026-04-23",
)
COINM_CONTRACT_SIZES: Mapping[str, float] = {"BTCUSD": 100.0, "*": 10.0}
"""US dollars a contract by pair; "*" is every other pair."""


class BinanceSpotClient(BinanceClient):
    """The spot market: trades, quotes, book. Markets as BTCUSDT or btcusdt.

    >>> from steelyard.feeds.live.client import Subscription
    >>> client = BinanceSpotClient()
    >>> client.address([Subscription("BTCUSDT", "quotes")])
    '/stream?streams=btcusdt@bookTicker'
    >>> client.receive(b'{"stream":"btcusdt@bookTicker","data":{"u":7,"s":"BTCUSDT","b":"64000.0",'
    ...     b'"B":"3.5","a":"64000.1","A":"2"}}', 0)
    [Quote(market='BTCUSDT', bid=64000.0, bid_quantity=3.5, ask=64000.1, ask_quantity=2.0, exchange_time_us=0)]
    """

    terms = SPOT_TERMS
    api = "/api/v3"
    snapshot_levels = 5_000
    suffixes: ClassVar[Mapping[str, str]] = {
        "trades": "@aggTrade",
        "quotes": "@bookTicker",
        "book": "@depth@100ms",
    }
    depth_frame = frames.SpotDepthFrame
    place = staticmethod(place_spot)


class FuturesClient(BinanceClient):
    """What the two futures markets share."""

    snapshot_levels = 1_000
    suffixes: ClassVar[Mapping[str, str]] = {
        "trades": "@aggTrade",
        "quotes": "@bookTicker",
        "book": "@depth@100ms",
        "reference": "@markPrice@1s",
    }
    depth_frame = frames.FuturesDepthFrame
    place = staticmethod(place_futures)


class BinanceUsdmClient(FuturesClient):
    """USD-M futures: trades, quotes, book, mark and index price, funding, open interest.

    Quantities are in units of the base asset already. Markets as BTCUSDT.

    >>> from steelyard.feeds.live.client import Subscription
    >>> [len(group) for group in BinanceUsdmClient().split(
    ...     [Subscription("BTCUSDT", each) for each in ("trades", "quotes", "book", "reference")])]
    [2, 2]
    """

    terms = USDM_TERMS
    api = "/fapi/v1"
    routes: ClassVar[Mapping[str, str]] = {
        "trades": "/market",
        "quotes": "/public",
        "book": "/public",
        "reference": "/market",
    }


class BinanceCoinmClient(FuturesClient):
    """COIN-M futures, as USD-M; quantities are contracts of a fixed number of US dollars.

    A contract of S dollars at price P is S / P units of the base asset; open interest is taken at the
    last mark price. Markets as BTCUSD_PERP. contract_sizes: dollars by pair, "*" for every other pair;
    a pair that it does not hold is refused. Errors: WIRE-E02 for a size that is not above zero.

    >>> from steelyard.feeds.live.client import Subscription
    >>> client = BinanceCoinmClient()
    >>> client.address([Subscription("BTCUSD_PERP", "trades")])
    '/stream?streams=btcusd_perp@aggTrade'
    >>> client.receive(b'{"stream":"btcusd_perp@aggTrade","data":{"e":"aggTrade","s":"BTCUSD_PERP",'
    ...     b'"a":9,"p":"50000","q":"4","T":1700000000000,"m":false}}', 0)[0].quantity
    0.008
    """

    terms = COINM_TERMS
    api = "/dapi/v1"

    def __init__(self, contract_sizes: Mapping[str, float] = COINM_CONTRACT_SIZES) -> None:
        super().__init__()
        for pair, size in contract_sizes.items():
            if not 0.0 < size <= PRICE_MAX:
                raise InputError(
                    "WIRE-E02",
                    f"contract size {size} of {pair}",
                    rule=f"a contract size is above zero and at most {PRICE_MAX:.0e}",
                    cure="state the US dollars a contract is worth",
                    venue=self.terms.name,
                )
        self._contract_sizes = dict(contract_sizes)
        self._marks: dict[str, float] = {}

    def _read_mark(self, stream: Stream, mark: frames.MarkPrice, received_us: int) -> list[Message]:
        if mark.mark < PRICE_MIN:
            self._marks.pop(stream.market, None)
        else:
            self._marks[stream.market] = mark.mark
        return super()._read_mark(stream, mark, received_us)

    def _read_open_interest(self, market: str, answer: frames.OpenInterest) -> list[Message]:
        mark = self._marks.get(market)
        if mark is None:
            return []  # contracts without a price are no quantity; the next answer may have one
        units = answer.quantity * self._contract_size(market.upper()) / mark
        return [Reference(market, answer.time_ms * 1000, open_interest=units)]
