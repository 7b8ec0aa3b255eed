"""The smallest venue a connection can speak to: a line a message, for tests of the connection itself.

    trade MARKET PRICE QUANTITY TIME_US | quote MARKET BID ASK TIME_US | status MARKET KIND REASON
    send FRAME | fetch PATH | reference MARKET INDEX MARK OPEN_INTEREST TIME_US
Anything else is WIRE-E01; a number that is none is WIRE-E02; `error …` is WIRE-E03.
"""

from __future__ import annotations

from collections.abc import Sequence

from steelyard.feeds.live.client import Subscription, VenueTerms
from steelyard.feeds.live.messages import Fetch, Message, Quote, Reference, Send, Status, Trade
from steelyard.quantities import InputError

TERMS = VenueTerms(
    "plain", "plain", "ws://127.0.0.1:9", "http://127.0.0.1:9", 0, 100, 2_000_000, "", ""
)


def wire_error(code: str, frame: bytes) -> InputError:
    return InputError(
        code, f"cannot read {frame[:40]!r}", rule="plain lines", cure="mend the frame"
    )


class PlainClient:
    """Reads lines; keeps what it was told of time."""

    def __init__(self, terms: VenueTerms = TERMS, keep_alive_us: int = 0) -> None:
        self.terms = terms
        self.keep_alive_us = keep_alive_us
        self.last_alive_us = 0

    def address(self, subscriptions: Sequence[Subscription]) -> str:  # noqa: ARG002
        return ""

    def opening(self, subscriptions: Sequence[Subscription]) -> list[str]:
        return [f"subscribe {wanted.market} {wanted.channel}" for wanted in subscriptions]

    def receive(self, frame: bytes, received_us: int) -> list[Message]:  # noqa: ARG002
        try:
            lines = frame.decode().splitlines()
        except UnicodeDecodeError:
            raise wire_error("WIRE-E01", frame) from None
        try:
            return [self._line(line, frame) for line in lines if line]
        except (ValueError, IndexError):
            raise wire_error("WIRE-E02", frame) from None

    def _line(self, line: str, frame: bytes) -> Message:
        word, *rest = line.split(" ")
        match word:
            case "trade":
                return Trade(rest[0], float(rest[1]), float(rest[2]), True, int(rest[3]))
            case "quote":
                return Quote(rest[0], float(rest[1]), 1.0, float(rest[2]), 1.0, int(rest[3]))
            case "reference":
                index, mark, interest = (float(number) for number in rest[1:4])
                return Reference(rest[0], int(rest[4]), index, mark, None, interest)
            case "status":
                return Status(rest[0], rest[1], " ".join(rest[2:]))
            case "send":
                return Send("", " ".join(rest))
            case "fetch":
                return Fetch("", rest[0])
            case "error":
                raise wire_error("WIRE-E03", frame)
        raise wire_error("WIRE-E01", frame)

    def due(self, now_us: int) -> list[str]:
        if not self.keep_alive_us or now_us - self.last_alive_us < self.keep_alive_us:
            return []
        self.last_alive_us = now_us
        return ["alive"]

    def fetched(self, fetch_path: str, body: bytes, received_us: int) -> list[Message]:  # noqa: ARG002
        return self.receive(body, received_us)
