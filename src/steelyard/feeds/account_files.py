"""Account files: balances and positions from CSV, Parquet or JSON, and back.

Long form, one row a balance or position (every format; JSON: a list of objects):

    account, mode, kind, name, quantity, entry_price, isolated_margin

Nested form (JSON only):

    [{"account": …, "mode": …, "balances": {"USDC": "1000"},
      "positions": [{"instrument": …, "quantity": …, "entry_price": …, "isolated_margin": …}]}]
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from steelyard.feeds.account_rows import COLUMNS, Draft, Row, apply_row, entry_price, plain, refused
from steelyard.feeds.tables import is_table, missing_column, read_table, unreadable, wrong_type
from steelyard.quantities import UNITS_MAX, InputError, from_units
from steelyard.terms import AccountRecord, Asset, Instrument

JSON_BYTES_MAX = 256 * 1024 * 1024
OPTIONAL = ("entry_price", "isolated_margin")
OTHERS_MAX = 1000
"""Counting the broken rows stops here: a file with more is of another kind."""

_JSON = msgspec.json.Decoder(float_hook=Decimal)


def read_accounts(
    path: Path, assets: Iterable[Asset], instruments: Iterable[Instrument]
) -> list[AccountRecord]:
    """Return the accounts of a file in order of first appearance; all of them or none.

    The error raised is that of the first row that breaks a rule; `others` in its place says how many
    more rows do. Errors: FEED-E01 to FEED-E03 for the file, FEED-E10 to FEED-E15 for a row (see
    `account_rows`), FEED-E14 also for balances of an asset that add up beyond the bounds, and for isolated
    margins beyond the account's balance.
    """
    path = Path(path)
    by_asset = {asset.name: asset for asset in assets}
    by_instrument = {instrument.name: instrument for instrument in instruments}
    drafts: dict[str, Draft] = {}
    first: InputError | None = None
    others = -1
    for row in _rows(path):
        try:
            apply_row(row, drafts, by_asset, by_instrument)
        except InputError as error:
            first = first or error
            others += 1
            if others >= OTHERS_MAX:
                break
    if first is not None:
        raise _located(path, first, others)
    if not drafts:
        raise unreadable(path, "it holds no account", "an account file has a row or more")
    records = [draft.record(account) for account, draft in drafts.items()]
    _check_totals(path, records)
    _check_isolated(path, records, by_asset, by_instrument)
    return records


def write_accounts(
    path: Path,
    records: Sequence[AccountRecord],
    assets: Iterable[Asset],
    instruments: Iterable[Instrument],
) -> None:
    """Write accounts so that `read_accounts` returns the same records; the name's ending says the format.

    CSV and Parquet take the long form (all text), JSON the nested one. An account without a balance or a
    position can be written as JSON only. The file appears whole or not at all. Errors: FEED-E01,
    FEED-E12 a name that is not listed.
    """
    path = Path(path)
    by_asset = {asset.name: asset for asset in assets}
    by_instrument = {instrument.name: instrument for instrument in instruments}
    rows = [row for record in records for row in _long(record, by_asset, by_instrument)]
    partial = path.with_name(path.name + ".partial")
    try:
        if path.suffix == ".json":
            partial.write_bytes(
                msgspec.json.format(msgspec.json.encode(_nested(records, rows)), indent=1)
            )
        elif path.suffix == ".parquet":
            columns = {name: pa.array([row[name] for row in rows], pa.string()) for name in COLUMNS}
            pq.write_table(pa.table(columns), partial, write_page_checksum=True)
        elif path.suffix == ".csv":
            with partial.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
        else:
            raise _unknown_format(path)
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise unreadable(path, str(error), "the folder exists and can be written") from None


def _rows(path: Path) -> Iterator[Row]:
    if path.name.lower().endswith(".json"):
        return _json_rows(path)
    if is_table(path):
        return _table_rows(path)
    raise _unknown_format(path)


def _table_rows(path: Path) -> Iterator[Row]:
    required = [name for name in COLUMNS if name not in OPTIONAL]
    table = read_table(path, required, optional=OPTIONAL)
    columns = {}
    for name in table.column_names:
        kind = table.column(name).type
        if pa.types.is_nested(kind) or pa.types.is_temporal(kind) or pa.types.is_binary(kind):
            raise wrong_type(path, name, kind, "text or decimal numbers")
        try:
            columns[name] = table.column(name).to_pylist()
        except (pa.ArrowException, ValueError):
            raise wrong_type(path, name, kind, "text or decimal numbers") from None
    names = list(columns)
    for number, values in enumerate(zip(*columns.values(), strict=True), start=1):
        yield Row({"row": number}, dict(zip(names, values, strict=True)))


def _json_rows(path: Path) -> Iterator[Row]:
    try:
        if path.stat().st_size > JSON_BYTES_MAX:
            raise unreadable(
                path, "it is too long", f"a JSON file has at most {JSON_BYTES_MAX} bytes"
            )
        entries = _JSON.decode(path.read_bytes())
    except OSError as error:
        raise unreadable(path, str(error)) from None
    except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError) as error:
        raise unreadable(path, str(error)) from None
    if not isinstance(entries, list):
        raise unreadable(path, "it is not a list", "a JSON file is a list of objects")
    for number, entry in enumerate(entries, start=1):
        if not isinstance(entry, dict):
            raise unreadable(
                path, f"entry {number} is not an object", "a JSON file is a list of objects"
            )
        if "balances" in entry or "positions" in entry:
            yield from _nested_rows(path, number, entry)
        else:
            for name in COLUMNS:
                if name not in entry and name not in OPTIONAL:
                    raise missing_column(path, name, [str(key) for key in entry])
            yield Row({"row": number}, entry)


def _nested_rows(path: Path, number: int, entry: Mapping[str, Any]) -> Iterator[Row]:
    extra = set(entry) - {"account", "mode", "balances", "positions"}
    balances, positions = entry.get("balances", {}), entry.get("positions", [])
    whole = Row({"row": number}, entry)
    if extra or not isinstance(balances, dict) or not isinstance(positions, list):
        raise _located(path, _bad_entry(whole, f"has {sorted(map(str, extra))[:5]}" if extra else
                                        "has balances or positions of another type"), 0)  # fmt: skip
    head = {"account": entry.get("account"), "mode": entry.get("mode")}
    for name, quantity in balances.items():
        place = {"row": number, "entry": f"balances.{name}"}
        yield Row(place, {**head, "kind": "balance", "name": name, "quantity": quantity})
    for at, position in enumerate(positions):
        place = {"row": number, "entry": f"positions[{at}]"}
        allowed = {"instrument", "quantity", *OPTIONAL}
        if not isinstance(position, dict) or not set(position) <= allowed:
            raise _located(path, _bad_entry(Row(place, {}), "is not a position"), 0)
        values = {name: position.get(name) for name in ("quantity", *OPTIONAL)}
        yield Row(place, {**head, **values, "kind": "position", "name": position.get("instrument")})


def _bad_entry(row: Row, what: str) -> InputError:
    return refused(
        "FEED-E03", row, "entry", f"the entry {what}",
        "account, mode, balances {asset: quantity} and positions [{instrument, quantity, entry_price, "
        "isolated_margin}]",
        "correct the entry",
    )  # fmt: skip


def _check_totals(path: Path, records: Sequence[AccountRecord]) -> None:
    """Refuse balances that add up beyond what the market account can hold against them."""
    totals: dict[str, int] = {}
    for record in records:
        for name, units in record.balances.items():
            totals[name] = totals.get(name, 0) + abs(units)
        if max(totals.values(), default=0) >= UNITS_MAX:
            name = max(totals, key=lambda each: totals[each])
            raise InputError(
                "FEED-E14",
                f"the balances of {name} add up to {totals[name]} units",
                rule=f"all balances of an asset together have less than {UNITS_MAX} units",
                cure="split the file, or list the asset with a coarser unit",
                file=path.name,
                account=record.account,
                field="quantity",
            )


def _check_isolated(
    path: Path,
    records: Sequence[AccountRecord],
    assets: Mapping[str, Asset],
    instruments: Mapping[str, Instrument],
) -> None:
    """Refuse isolated margins that an account's balances do not hold: they are set aside from them."""
    for record in records:
        aside: dict[str, int] = {}
        for position in record.positions:
            name = instruments[position.instrument].settlement
            aside[name] = aside.get(name, 0) + position.isolated_margin
        for name, units in aside.items():
            held = record.balances.get(name, 0)
            if units > max(held, 0):
                exponent = assets[name].exponent
                raise InputError(
                    "FEED-E14",
                    f"{plain(from_units(units, exponent))} {name} are set aside out of "
                    f"{plain(from_units(held, exponent))}",
                    rule="isolated margins are part of the account's balance of the asset",
                    cure="raise the balance or lower the margins",
                    file=path.name,
                    account=record.account,
                    field="isolated_margin",
                )


def _located(path: Path, error: InputError, others: int) -> InputError:
    where = {"file": path.name, **error.where}
    if others:
        where["others"] = others if others < OTHERS_MAX else f"{OTHERS_MAX} or more"
    return InputError(error.code, error.message, rule=error.rule, cure=error.cure, **where)


def _long(
    record: AccountRecord, assets: Mapping[str, Asset], instruments: Mapping[str, Instrument]
) -> Iterator[dict[str, str]]:
    head = {"account": record.account, "mode": record.mode}
    for name, units in record.balances.items():
        if name not in assets:
            raise _not_listed(record, name)
        amount = plain(from_units(units, assets[name].exponent))
        yield {**head, "kind": "balance", "name": name, "quantity": amount,
               "entry_price": "", "isolated_margin": ""}  # fmt: skip
    for position in record.positions:
        instrument = instruments.get(position.instrument)
        if instrument is None or instrument.settlement not in assets:
            raise _not_listed(record, position.instrument)
        margin = from_units(position.isolated_margin, assets[instrument.settlement].exponent)
        yield {
            **head,
            "kind": "position",
            "name": position.instrument,
            "quantity": plain(from_units(position.quantity, instrument.lot_exponent)),
            "entry_price": entry_price(instrument, position.entry_mark),
            "isolated_margin": plain(margin) if record.mode == "isolated" else "",
        }


def _nested(
    records: Sequence[AccountRecord], rows: Sequence[dict[str, str]]
) -> list[dict[str, object]]:
    nested: dict[str, dict[str, Any]] = {
        record.account: {
            "account": record.account, "mode": record.mode, "balances": {}, "positions": []
        }
        for record in records
    }  # fmt: skip
    for row in rows:
        entry = nested[row["account"]]
        if row["kind"] == "balance":
            entry["balances"][row["name"]] = row["quantity"]
        else:
            position = {"instrument": row["name"], "quantity": row["quantity"]}
            position |= {name: row[name] for name in OPTIONAL if row[name]}
            entry["positions"].append(position)
    return list(nested.values())


def _not_listed(record: AccountRecord, name: str) -> InputError:
    return InputError(
        "FEED-E12",
        f"{name!r} is not listed",
        rule="only what is listed can be written",
        cure="pass the assets and instruments of the same market",
        account=record.account,
        field="name",
    )


def _unknown_format(path: Path) -> InputError:
    return unreadable(
        path,
        f"the ending {path.suffix!r} is of no known format",
        "an account file ends in .csv, .csv.gz, .parquet or .json",
    )
