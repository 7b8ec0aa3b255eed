"""The `[rules]` of a document, read into formulas: how the core puts a venue's parameters together.

    settlement    the asset that is cash; `unit` the key of what the answer's currency is
    covers        kinds of contracts: perpetual, future, option
    underlyings   "one" (all legs of an account share one underlying), "many" (each is its own unit) or
                  "combined" (legs of several are one unit; no formula asks for an underlying's number)
    collateral    which coins count beside cash: "none", "base" (the underlying's own), "any"
    by            parameter tables with an entry an underlying ("underlying") or a coin ("asset")
    choice        a parameter that names one of several sets of numbers
    refuses       what a statement may not hold: margin modes, open orders, inverse contracts
    move_unit     a formula of an underlying: what its moves are told in, where they count in something
    market        formulas of an instrument, from the market alone (worked out once for all accounts)
    leg, expiry, underlying, account
                  formulas of one position, of one expiry in an account, of one underlying in it, of it all
    options       how an option is valued unmoved and in a scenario
    linear        what one unit of a perpetual, future or coin gains in a scenario
    scenarios     blocks of scenarios, in their order; `probes` further ones that only features use
    scan          formulas applied to the P&L of all scenarios, one after another
    parts         names of the summands that explain a requirement
    native        the venue's own numbers

A name in a formula is looked up in its own scope, then as a sum over a finer scope, then in a coarser
one, then among the parameters.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from steelyard.margin.methods.core.expressions import Formula, Formulas
from steelyard.quantities.errors import TermsError
from steelyard.terms.documents import MethodDocument

SCOPES = ("leg", "expiry", "underlying", "account")
Texts = dict[str, str]
Refusal = Literal["portfolio", "cross", "isolated", "fully_collateralised", "orders", "inverse"]


class OptionRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Formulas of an option's value; `premium` is the undiscounted Black-76 price of a scenario."""

    forward: str = "forward_price"
    moved_forward: str = "forward * s"
    up: str = "volatility"
    down: str = "volatility"
    linear: str = "volatility"
    abs: str = "volatility"
    time: str = "tau"
    moved_time: str = "tau"
    value: str = "premium"
    discount_long: str = ""
    discount_short: str = ""
    contract_size: str = "1"


class LinearRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Formulas of one unit's P&L in a scenario; `move` is the scenario's move for linear legs."""

    perpetual: str = "0"
    future: str = "0"
    coin: str = "0"


class Block(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Scenarios in a row: exactly one of `product`, `rows`, `ladder`, `moves` says which.

    product: [moves, directions] each with each; rows: a parameter with a row (or table) a scenario and
    `columns` their meaning; ladder: [range, buckets on each side, directions]; moves: numbers or formulas,
    all with `direction` (one or one each). A move is relative (`is_multiplier = false`) or a multiplier.
    """

    product: tuple[Any, Any] | None = None
    rows: str | list[Any] | None = None
    columns: list[str] | Texts | None = None
    ladder: tuple[str, str, list[str]] | None = None
    moves: str | list[Any] | None = None
    direction: str | list[str] = "none"
    is_multiplier: bool = False
    weight: str | list[float] = "1"
    option_weight: str = ""
    linear_move: str = "m"
    tag: str = "standard"


class Probe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A scenario of its own, whose value an option's formula may ask for."""

    move: str
    direction: str = "none"
    is_multiplier: bool = False


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table `[rules]` of a document whose core is "scenario"."""

    core: Literal["scenario"]
    settlement: str
    covers: tuple[Literal["perpetual", "future", "option"], ...]
    underlyings: Literal["one", "many", "combined"] = "many"
    collateral: Literal["none", "base", "any"] = "none"
    by: dict[str, Literal["underlying", "asset"]] = {}
    choice: dict[str, dict[str, dict[str, Any]]] = {}
    refuses: tuple[Refusal, ...] = ()
    move_unit: str = "1"
    given_arrays: str = ""
    array_sign: float = 1.0
    market: Texts = {}
    leg: Texts = {}
    expiry: Texts = {}
    underlying: Texts = {}
    account: Texts = {}
    options: OptionRules = OptionRules()
    linear: LinearRules = LinearRules()
    scenarios: tuple[Block, ...] = ()
    probes: dict[str, Probe] = {}
    scan: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    native: dict[str, Any] = {}
    is_equity_asked: bool = True


class Checked:
    """The rules of a document with every formula checked: what does not depend on the parameters.

    A document keeps it, and hands it to those that differ in parameters alone (`checked`, `hand_on`).
    """

    def __init__(self, document: MethodDocument) -> None:
        try:
            self.rules = msgspec.convert(document.rules, Rules)
        except msgspec.ValidationError as error:
            raise _broken(document, str(error)) from None
        self.formulas = Formulas()
        self.scopes: dict[str, dict[str, Formula]] = {
            scope: self._read(getattr(self.rules, scope), f"rules.{scope}") for scope in SCOPES
        }
        self.market = self._read(self.rules.market, "rules.market")
        self.covers = frozenset(self.rules.covers)
        self.is_single = self.rules.underlyings != "many"
        self.homes: dict[tuple[str, int], int | None] = {}  # a name asked for in a scope: its own
        for name in ("equity", "initial_requirement", "maintenance_requirement"):
            if name not in self.scopes["account"]:
                raise _broken(document, f"rules.account.{name} is missing")

    def _read(self, texts: Texts, place: str) -> dict[str, Formula]:
        return {
            name: self.formulas.of(str(text), f"{place}.{name}") for name, text in texts.items()
        }


def checked(document: MethodDocument) -> Checked:
    """Return the checked rules of a document, which keeps them. Errors: TERM-E20, TERM-E22."""
    known: Checked | None = document.__dict__.get("checked_known")
    if known is None:
        known = document.__dict__["checked_known"] = Checked(document)
    return known


def hand_on(document: MethodDocument, changed: MethodDocument) -> None:
    """Let a document with other parameters and the same rules use what is checked already."""
    known = document.__dict__.get("checked_known")
    if known is not None and changed.rules is document.rules:
        changed.__dict__["checked_known"] = known


class Compiled:
    """The rules with every formula checked, beside the parameters they refer to."""

    def __init__(self, document: MethodDocument) -> None:
        known = checked(document)
        self.rules = known.rules
        self.formulas = known.formulas
        self.scopes = known.scopes
        self.market = known.market
        self.covers = known.covers
        self.is_single = known.is_single
        self.homes = known.homes
        self.document = document
        self.parameters = _flat(document)
        for name, sets in self.rules.choice.items():
            chosen = self.parameters.get(name)
            if chosen not in sets:
                raise _broken(document, f"{name} is {chosen!r}, not one of {', '.join(sets)}")
            self.parameters.update(sets[chosen])

    def keyed(self, table: str) -> set[str]:
        """Return the names of the fields that the entries of a keyed table have."""
        entries = self.parameters.get(table) or {}
        fields: set[str] = set(_unit_fields(self.document.units.get(table)))
        for entry in entries.values():
            if isinstance(entry, dict):
                fields |= set(entry)
        return fields


def _flat(document: MethodDocument) -> dict[str, Any]:
    """Return the parameters, those of plain tables also as `table_name`; one without a value is NaN."""
    found: dict[str, Any] = dict(document.parameters)
    for table, shape in document.units.items():
        fields = shape.get("table") if isinstance(shape, dict) else None
        if isinstance(fields, dict):
            entry = document.parameters.get(table) or {}
            for name in fields:
                value = entry.get(name)
                found[f"{table}_{name}"] = float("nan") if value is None else value
    return found


def _unit_fields(shape: Any) -> set[str]:
    inner = shape.get("keyed") if isinstance(shape, dict) else None
    if isinstance(inner, dict) and "table" in inner:
        inner = inner["table"]
    return set(inner) if isinstance(inner, dict) else set()


def _broken(document: MethodDocument, message: str) -> TermsError:
    return TermsError(
        "TERM-E22",
        f"the rules of {document.name} {document.version} do not hold together: {message}",
        rule="[rules] has the published keys and names what it refers to",
        cure="mend the document",
        field="rules",
    )


def circular(document: MethodDocument, name: str) -> TermsError:
    """Return the error of formulas that ask for each other without end."""
    return TermsError(
        "TERM-E25",
        f"the formulas behind {name} of {document.name} {document.version} refer to themselves",
        rule="a formula is worked out from others that do not need it",
        cure="mend the document",
        field=f"rules.{name}",
    )
