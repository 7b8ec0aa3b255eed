"""What a reader knows: frames applied one after another, as the page and every client apply them."""

from __future__ import annotations

from typing import Any

import msgspec

from steelyard.service.access.session import ANONYMOUS, Session
from steelyard.service.channels.names import parse_channel
from steelyard.service.channels.publishers import snapshot_of
from steelyard.service.host import Scene

RISK = Session("desk", frozenset({"read", "risk"}), None)
ALICE = Session("alice", frozenset({"read"}), frozenset({"long"}))
NOBODY = ANONYMOUS

KEPT = 200
ACCOUNT_COLUMNS = (
    "state", "positions", "equity_micro", "initial_balance_micro", "initial_requirement_micro",
    "maintenance_balance_micro", "maintenance_requirement_micro",
)  # fmt: skip
WHEN = {"as_of_seq", "as_of_us", "time_us", "timestamp", "type", "change_id", "previous_change_id"}
VITALS = {
    "durable_seq", "events_per_second", "is_stale", "decision_p50_us", "decision_p99_us",
    "flush_p50_us", "flush_p99_us", "shares",
}  # fmt: skip
EVERY = (
    "account.long.raw", "account.iso/BTC_USDC-PERPETUAL.100ms", "accounts.raw", "accounts.200ms",
    "events.raw", "liquidations.raw", "overview.100ms", "transparency.raw", "health.500ms",
    "surface.BTC.raw", "ticker.BTC-14FEB27-100000-C.raw", "deribit_price_index.btc_usd",
)  # fmt: skip


class Known:
    """The state of each channel as one reader has it; faults are gaps, or changes before a snapshot."""

    def __init__(self) -> None:
        self.channels: dict[str, dict[str, Any]] = {}
        self.change_ids: dict[str, int] = {}
        self.frames: list[tuple[str, dict[str, Any]]] = []
        self.snapshots: dict[str, int] = {}

    def take(self, frames: list[bytes]) -> None:
        """Apply frames in order."""
        for body in frames:
            message = msgspec.json.decode(body)
            assert set(message) == {"jsonrpc", "method", "params"}
            assert (message["jsonrpc"], message["method"]) == ("2.0", "subscription")
            channel, data = message["params"]["channel"], message["params"]["data"]
            self.frames.append((channel, data))
            self._apply(channel, data)

    def forget(self, channel: str) -> None:
        """Forget a channel that is no longer subscribed."""
        self.channels.pop(channel, None)
        self.change_ids.pop(channel, None)

    def _apply(self, channel: str, data: dict[str, Any]) -> None:
        kind = parse_channel(channel).kind
        if "change_id" in data:
            if data["type"] == "snapshot":
                assert data["previous_change_id"] is None
                self.channels.pop(channel, None)
                self.snapshots[channel] = self.snapshots.get(channel, 0) + 1
            else:
                assert data["previous_change_id"] == self.change_ids[channel], f"a gap in {channel}"
                assert data["change_id"] == data["previous_change_id"] + 1
            self.change_ids[channel] = data["change_id"]
        self.channels[channel] = applied(kind, self.channels.get(channel), data)


def applied(kind: str, known: dict[str, Any] | None, data: dict[str, Any]) -> dict[str, Any]:
    """Return the state of a channel after a payload, in a form of its own for each kind."""
    if kind == "accounts":
        rows = range(len(data["units"])) if data["rows"] is None else data["rows"]
        units = [] if known is None else list(known["names"])
        table = {} if known is None else dict(known["table"])
        units += data["units"]
        for place, row in enumerate(rows):
            table[units[row]] = tuple(data[name][place] for name in ACCOUNT_COLUMNS)
        about = {} if known is None else dict(known["about"])
        about |= zip(data["units"], zip(data["owners"], data["modes"], strict=True), strict=True)
        return {"names": units, "table": table, "about": about, "states": data["states"]}
    if kind == "account":
        positions = data["positions"]
        if positions is None:
            assert known is not None
            positions = known["positions"]
        return {"account": timeless(data["account"]), "positions": timeless(positions)}
    if kind in ("events", "liquidations"):
        before = [] if known is None else known["lines"]
        return {"lines": (before + data[kind])[-KEPT:]}
    if kind == "surface":
        smiles = {} if known is None else dict(known["smiles"])
        for expiry_us in data["gone"]:
            del smiles[expiry_us]
        smiles |= {each["expiry_us"]: each for each in data["smiles"]}
        return {"smiles": smiles, **{n: data[n] for n in ("asset", "index_price", "condition")}}
    return timeless({name: value for name, value in data.items() if name not in VITALS})


def timeless(value: Any) -> Any:
    """Return a value without the fields that say as of when it is."""
    if isinstance(value, dict):
        return {name: timeless(each) for name, each in value.items() if name not in WHEN}
    if isinstance(value, list):
        return [timeless(each) for each in value]
    return value


def truth(channel: str, scene: Scene, session: Session = RISK) -> dict[str, Any]:
    """Return the state of a channel read afresh from an engine."""
    data = msgspec.json.decode(snapshot_of(channel, scene, session))["params"]["data"]
    return applied(parse_channel(channel).kind, None, data)


def same(known: dict[str, Any], true: dict[str, Any]) -> bool:
    """Return whether two states are one; rows of accounts may be numbered differently."""
    drop = {"names"}
    return {k: v for k, v in known.items() if k not in drop} == {
        k: v for k, v in true.items() if k not in drop
    }
