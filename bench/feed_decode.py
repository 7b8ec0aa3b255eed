"""Cost of reading a frame of each venue: the client, the bare decoding, and json.loads with dictionaries.

    python -m bench.feed_decode [--quick] [--venue okx]

Per venue and kind of frame (a trade, a quote, a change of ten levels) three programs read the same frames
in turn: `receive` of the client (checks bounds, symbol and order, and makes messages), bare
`msgspec.json` decoding into the types that the client reads (no messages), and `json.loads` with
member access and `float`, as such code is mostly written (no checks). That the client's messages hold the
same numbers as the last is checked before. A venue whose client is not there is skipped.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import Any

from bench import feed_frames, feed_frames_usd
from bench.feed_frames import Case
from bench.machine import paired, print_machine, report
from steelyard.feeds.live.client import VenueClient
from steelyard.feeds.live.messages import BookChange, Message, Quote, Trade

VENUES: dict[str, Callable[[], list[Case]]] = {
    "binance": feed_frames.binance,
    "okx": feed_frames.okx,
    "bybit": feed_frames.bybit,
    "deribit": feed_frames_usd.deribit,
    "coinbase": feed_frames_usd.coinbase,
    "kraken": feed_frames_usd.kraken,
}
NOW_US = feed_frames.MS * 1000
WARM_UP = 2


def begun(case: Case, first: bytes) -> VenueClient:
    """Return a client that is subscribed and has its book, if it keeps one."""
    client = case.make_client()
    client.address([case.subscription])
    client.opening([case.subscription])
    if case.kind == "book" and case.venue.startswith("binance"):
        client.receive(first, NOW_US)
    case.start(client)
    return client


def numbers(message: Message) -> tuple[Any, ...]:
    """Return what a message holds, as the readings of `feed_frames` do."""
    match message:
        case Trade():
            return (
                message.price,
                message.quantity,
                message.is_buy,
                message.exchange_time_us,
                message.trade,
            )
        case Quote():
            quantities = message.bid_quantity, message.ask_quantity
            return (
                message.bid,
                quantities[0],
                message.ask,
                quantities[1],
                message.exchange_time_us,
            )
        case BookChange():
            return (message.bids, message.asks, message.exchange_time_us, message.last_sequence)
    raise AssertionError(f"no such message expected: {message}")


def check(case: Case, frames: list[bytes]) -> None:
    """Fail unless client and reading say the same of every frame."""
    skipped = case.kind == "book" and case.venue.startswith("binance")
    client = begun(case, frames[0])
    for frame in frames[1:] if skipped else frames:
        found = [
            m for m in client.receive(frame, NOW_US) if isinstance(m, (Trade, Quote, BookChange))
        ]
        assert [numbers(message) for message in found] == [case.read(frame)], (case.venue, frame)
        case.decode(frame)


def measure(case: Case, count: int, rounds: int) -> tuple[float, float]:
    """Report one kind of frame and return both of its ratios."""
    frames = case.frames(count)
    check(case, frames[:200])

    # Each round has a client of its own, since the numbers of a book only rise.
    clients = iter([begun(case, frames[0]) for _ in range(2 * (rounds + WARM_UP))])

    def receive() -> None:
        read = next(clients).receive
        for frame in frames:
            read(frame, NOW_US)

    def decode() -> None:
        read = case.decode
        for frame in frames:
            read(frame)

    def people() -> None:
        read = case.read
        for frame in frames:
            read(frame)

    bare = paired(decode, receive, rounds, warm_up=WARM_UP)
    dictionary = paired(receive, people, rounds, warm_up=WARM_UP)
    name = f"{case.venue} {case.kind}"
    cost = f"{bare.second_s / count * 1e9:.0f} ns, bare {bare.first_s / count * 1e9:.0f} ns, "
    cost += f"json.loads {dictionary.second_s / count * 1e9:.0f} ns"
    report(f"{name}: receive over bare decoding", bare.ratio, "times", note=cost)
    report(f"{name}: json.loads over receive", dictionary.ratio, "times")
    return bare.ratio, dictionary.ratio


def main(arguments: list[str] | None = None) -> None:
    """Measure all venues, or those named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer frames and rounds")
    parser.add_argument("--venue", choices=sorted(VENUES), help="this venue alone")
    options = parser.parse_args(arguments)
    # Short rounds, and many: on a shared machine a short one is seldom interrupted.
    count, rounds = 200, 31 if options.quick else 201
    print_machine()
    ratios = []
    for name, cases_of in VENUES.items():
        if options.venue not in (None, name):
            continue
        try:
            cases = cases_of()
        except ModuleNotFoundError as error:
            print(f"skipped: {name}, {error}")
            continue
        ratios += [measure(case, count, rounds) for case in cases]
    if ratios:
        for place, what in enumerate(("receive over bare decoding", "json.loads over receive")):
            mean = math.exp(math.fsum(math.log(each[place]) for each in ratios) / len(ratios))
            report(f"all: {what}, geometric mean of {len(ratios)}", mean, "times")


if __name__ == "__main__":
    main()
