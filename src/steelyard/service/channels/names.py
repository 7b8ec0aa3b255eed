"""Names of channels: what they are of, who may read them, and how often they speak.

    account.{unit}.{interval}        one margin unit            scope read, own account
    accounts.{interval}              every margin unit          scope risk, every account
    events.{interval}                the feed                   scope risk, every account
    overview.{interval}              the venue at a glance      scope risk, every account
    liquidations.{interval}          closes by the engine       public; units are named to the scope risk
    surface.{asset}.{interval}       smiles                     public
    health.{interval}                sources and the engine     public
    transparency.{interval}          what anybody may see       public
    ticker.{instrument}.{interval}   Deribit's ticker           public
    deribit_price_index.{index}      Deribit's index, raw       public

Intervals: raw (after every event that changes it), 100ms, 200ms, 500ms, 1000ms.

CHAN-E01  no such channel          CHAN-E03  too many channels for one connection
CHAN-E02  no such unit, asset, instrument or index
"""

from __future__ import annotations

from typing import NamedTuple

from steelyard.quantities import InputError
from steelyard.service.access.matrix import Matrix, Needed, Row, Touches
from steelyard.service.access.session import Session
from steelyard.terms.account import owner_of

INTERVALS = {"raw": 0.0, "100ms": 0.1, "200ms": 0.2, "500ms": 0.5, "1000ms": 1.0}
NAME_LENGTH_MAX = 256


class Terms(NamedTuple):
    """What a kind of channel is: its subject's word, empty for none, and its row of the access matrix."""

    subject: str
    scope: Needed
    touches: Touches
    has_interval: bool = True


KINDS: dict[str, Terms] = {
    "account": Terms("unit", "read", "one"),
    "accounts": Terms("", "risk", "every"),
    "events": Terms("", "risk", "every"),
    "overview": Terms("", "risk", "every"),
    "liquidations": Terms("", "public", "none"),
    "surface": Terms("asset", "public", "none"),
    "health": Terms("", "public", "none"),
    "transparency": Terms("", "public", "none"),
    "ticker": Terms("instrument", "public", "none"),
    "deribit_price_index": Terms("index_name", "public", "none", has_interval=False),
}


class ChannelName(NamedTuple):
    """A name, taken apart. interval_s: 0 for raw."""

    text: str
    kind: str
    subject: str
    interval_s: float


def parse_channel(text: str) -> ChannelName:
    """Return the parts of a channel's name. Errors: CHAN-E01.

    >>> parse_channel("account.maker-7/BTC-PERPETUAL.100ms")[1:]
    ('account', 'maker-7/BTC-PERPETUAL', 0.1)
    >>> parse_channel("deribit_price_index.btc_usd")[1:]
    ('deribit_price_index', 'btc_usd', 0.0)
    """
    kind, _, rest = text.partition(".")
    terms = KINDS.get(kind)
    if terms is None or len(text) > NAME_LENGTH_MAX:
        raise _unknown(text)
    subject, dot, interval = rest.rpartition(".")
    if not terms.has_interval:
        subject, dot, interval = rest, ".", "raw"
    if interval not in INTERVALS or bool(subject) != bool(terms.subject) or (subject and not dot):
        raise _unknown(text)
    return ChannelName(text, kind, subject, INTERVALS[interval])


def pattern(kind: str) -> str:
    """Return how the channels of a kind are called, as the access matrix names them.

    >>> pattern("account"), pattern("accounts"), pattern("deribit_price_index")
    ('account.{unit}.{interval}', 'accounts.{interval}', 'deribit_price_index.{index_name}')
    """
    terms = KINDS[kind]
    words = [kind]
    if terms.subject:
        words.append(f"{{{terms.subject}}}")
    if terms.has_interval:
        words.append("{interval}")
    return ".".join(words)


def channel_rows() -> tuple[Row, ...]:
    """Return the rows of the access matrix, one a kind of channel."""
    return tuple(Row(pattern(kind), terms.scope, terms.touches) for kind, terms in KINDS.items())


_MATRIX = Matrix(channel_rows())


def require_channel(session: Session, name: ChannelName) -> None:
    """Raise where a session may not read a channel: ACCS-E50 to ACCS-E53, as for methods."""
    terms = KINDS[name.kind]
    account = owner_of(name.subject) if terms.touches == "one" else None
    _MATRIX.require(session, pattern(name.kind), account)


def _unknown(text: str) -> InputError:
    return InputError(
        "CHAN-E01", f"there is no channel {text[:60]!r}",
        rule=f"a channel is one of {', '.join(map(pattern, KINDS))}, interval {', '.join(INTERVALS)}",
        cure="mend the name", field="channels",
    )  # fmt: skip


def no_subject(name: ChannelName) -> InputError:
    """Return CHAN-E02: a channel of something that is not there."""
    word = KINDS[name.kind].subject
    return InputError(
        "CHAN-E02", f"there is no {word} {name.subject[:60]!r}",
        rule="a channel is of something that the engine knows", cure=f"name one that it lists as {word}",
        field="channels",
    )  # fmt: skip


def too_many_channels(count: int, channels_max: int) -> InputError:
    """Return CHAN-E03."""
    return InputError(
        "CHAN-E03", f"{count} channels on one connection",
        rule=f"a connection reads at most {channels_max} channels",
        cure="unsubscribe from some, or open another connection", field="channels",
    )  # fmt: skip
