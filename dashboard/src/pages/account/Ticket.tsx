/** What a trade would do: legs as typed, and the unit before and after them. Nothing is sent to the market. */

import { useEffect, useMemo, useRef, useState } from "react";
import { asFailure, type CallFailure } from "../../data/errors";
import { useMethod } from "../../data/hooks";
import { ask } from "../../data/venue";
import { fixed, NONE, percent, price, ratio, signed } from "../../format/numbers";
import { ErrorNote, Icon, Loading, Shown } from "../../parts";
import type { InstrumentView, Portfolio } from "../../wire";
import { useOnDemand, useRefreshed, useSettled } from "./asking";
import { useIndices } from "./Head";
import { LegRow } from "./LegRow";
import { useIsSeen } from "./Section";
import {
  comparisonOf,
  faultOf,
  type Known,
  type Leg,
  largest,
  lotsOf,
  quantityOf,
  sizesOf,
  unitOf,
  verdictOf,
} from "./trade";
import { useUnit } from "./unit";
import { Progress } from "./Wait";

const TYPING_MS = 150;
const EVERY_MS = 1_000;
const LEGS_MAX = 12;
const NOTHING = {};

export function Ticket({
  legs,
  onLegs,
}: {
  legs: readonly Leg[];
  onLegs: (legs: readonly Leg[]) => void;
}) {
  const instruments = useMethod("public/get_instruments", NOTHING);
  const { unit, told } = useUnit();
  const tradable = useMemo(() => {
    const own = told.account.mode === "isolated" ? unit.split("/")[1] : undefined;
    return (instruments.result ?? []).filter(
      (each) => each.is_active && (own === undefined || each.instrument_name === own),
    );
  }, [instruments.result, unit, told.account.mode]);
  return (
    <Shown
      data={instruments.result}
      error={instruments.error}
      again={instruments.again}
      what="instruments"
      lines={4}
    >
      {() => <Form legs={legs} onLegs={onLegs} tradable={tradable} />}
    </Shown>
  );
}

function Form({
  legs,
  onLegs,
  tradable,
}: {
  legs: readonly Leg[];
  onLegs: (legs: readonly Leg[]) => void;
  tradable: readonly InstrumentView[];
}) {
  const { told } = useUnit();
  const known: Known = useMemo(
    () => new Map(tradable.map((each) => [each.instrument_name, each])),
    [tradable],
  );
  const settled = useSettled(legs, TYPING_MS);
  const sizes = useMemo(() => sizesOf(settled, known), [settled, known]);
  const change = (leg: Leg) => onLegs(legs.map((each) => (each.id === leg.id ? leg : each)));
  const nextId = Math.max(0, ...legs.map((each) => each.id)) + 1;
  return (
    <>
      {told.account.mode === "isolated" && (
        <p className="muted account-pad">
          An isolated unit trades its own instrument alone; others belong to the account's main
          unit.
        </p>
      )}
      <div className="legs">
        {legs.map((leg) => (
          <LegRow
            key={leg.id}
            leg={leg}
            fault={faultOf(leg, known)}
            instruments={tradable}
            instrument={known.get(leg.instrument) ?? null}
            onChange={change}
            onRemove={
              legs.length > 1 ? () => onLegs(legs.filter((each) => each.id !== leg.id)) : null
            }
          />
        ))}
      </div>
      <div className="account-tools">
        <button
          type="button"
          className="button"
          disabled={legs.length >= LEGS_MAX}
          onClick={() =>
            onLegs([...legs, { id: nextId, instrument: "", side: "buy", quantity: "" }])
          }
        >
          Add a leg
        </button>
        <button
          type="button"
          className="button is-quiet"
          onClick={() => onLegs([{ id: nextId, instrument: "", side: "buy", quantity: "" }])}
        >
          Clear
        </button>
        <Most legs={legs} known={known} onLegs={onLegs} />
      </div>
      {sizes ? (
        <Outcome sizes={sizes} />
      ) : (
        <p className="muted account-pad">
          Choose an instrument and a quantity: the unit after the trade is shown as you type. Trades
          are tried at the mark, without a fee; nothing is sent.
        </p>
      )}
    </>
  );
}

function Outcome({ sizes }: { sizes: Record<string, number> }) {
  const { unit, summary } = useUnit();
  const isSeen = useIsSeen();
  const tried = useRefreshed(
    "private/simulate_portfolio",
    { account: unit, add_positions: true, simulated_positions: sizes },
    { everyMs: EVERY_MS, isHeld: !isSeen },
  );
  if (tried.error && !tried.isAsking) return <ErrorNote error={tried.error} />;
  if (!tried.result) return <Loading what="the unit after the trade" lines={5} />;
  return (
    <>
      <Verdict before={summary} after={tried.result} />
      <Comparison before={summary} after={tried.result} />
      <Liquidation sizes={sizes} />
    </>
  );
}

function Verdict({ before, after }: { before: Portfolio | null; after: Portfolio }) {
  const { tone, text } = verdictOf(before, after);
  return (
    <p className={`account-say ${tone}`} role="status" data-testid="verdict">
      {tone !== "good" && <Icon name="alert" />} {text}
    </p>
  );
}

function Comparison({ before, after }: { before: Portfolio | null; after: Portfolio }) {
  return (
    <div className="scroll-x">
      <table className="table" data-testid="comparison">
        <caption className="sr-only">The unit before and after the trade</caption>
        <thead>
          <tr>
            <th scope="col">
              <span className="sr-only">Number</span>
            </th>
            <th scope="col" className="num">
              Now
            </th>
            <th scope="col" className="num">
              After
            </th>
            <th scope="col" className="num">
              Change
            </th>
          </tr>
        </thead>
        <tbody>
          {comparisonOf(before, after).map((row) => {
            const isRatio = row.name === "Margin ratio";
            const show = (value: number | null) => (isRatio ? ratio(value) : fixed(value, 2));
            const moved = row.before === null || row.after === null ? null : row.after - row.before;
            const isWorse = moved !== null && moved !== 0 && moved > 0 !== row.isMoreBetter;
            return (
              <tr key={row.name} className={isRatio ? "is-first" : undefined}>
                <th scope="row">
                  {row.name} {row.unit && <span className="unit">{row.unit}</span>}
                </th>
                <td className="num">{show(row.before)}</td>
                <td className={`num ${isRatio && (row.after ?? 1) < 1 ? "bad" : ""}`}>
                  {show(row.after)}
                </td>
                <td className={`num ${isWorse ? "doubt" : "muted"}`}>
                  {moved === null ? NONE : signed(moved, isRatio ? 4 : 2)}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function Liquidation({ sizes }: { sizes: Record<string, number> }) {
  const { unit } = useUnit();
  const indices = useIndices();
  const params = { account: unit, add_positions: true, simulated_positions: sizes };
  const after = useOnDemand("private/estimate_liquidation", params);
  const maps = after.result;
  const names = maps ? Object.keys(maps.estimated_liquidation_ratio_map) : [];
  return (
    <div className="ticket-liquidation">
      <button type="button" className="button" disabled={after.isAsking} onClick={after.ask}>
        Liquidation prices after
      </button>
      {after.isAsking && after.askedAtMs !== null && (
        <Progress
          what="Looking for the prices"
          sinceMs={after.askedAtMs}
          waitsUntilMs={after.waitsUntilMs}
          onCancel={after.cancel}
        />
      )}
      {after.error && <ErrorNote error={after.error} />}
      {maps && names.length === 0 && (
        <p className="muted">No price of one underlying alone would liquidate it.</p>
      )}
      {maps && names.length > 0 && (
        <dl className="rung-prices">
          {names.map((pair) => {
            const times = maps.estimated_liquidation_ratio_map[pair];
            const asset = (pair.split("_")[0] ?? pair).toUpperCase();
            const index = indices[asset];
            const way = maps.estimated_liquidation_direction_map[pair];
            if (times == null) return null;
            return (
              <div key={pair}>
                <dt>
                  {asset} {way === "rising" ? "at and above" : "at and below"}
                </dt>
                <dd>
                  {index === undefined ? NONE : price(times * index)}{" "}
                  <span className="muted">
                    {times > 1 ? "+" : ""}
                    {percent(times - 1, 1)}
                  </span>
                </dd>
              </div>
            );
          })}
        </dl>
      )}
    </div>
  );
}

/** Finds the largest quantity of the last leg that leaves free margin at or above zero. */
function Most({
  legs,
  known,
  onLegs,
}: {
  legs: readonly Leg[];
  known: Known;
  onLegs: (legs: readonly Leg[]) => void;
}) {
  const { unit } = useUnit();
  const [said, setSaid] = useState<string | null>(null);
  const [error, setError] = useState<CallFailure | null>(null);
  const [isLooking, setLooking] = useState(false);
  const turn = useRef(0);
  const leg = legs.at(-1);
  const instrument = leg && known.get(leg.instrument);
  const key = `${unit} ${leg?.instrument} ${leg?.side}`;
  // biome-ignore lint/correctness/useExhaustiveDependencies: another leg or unit ends the search
  useEffect(() => {
    turn.current += 1;
    setLooking(false);
    setSaid(null);
    setError(null);
  }, [key]);
  if (!leg || !instrument?.min_trade_amount) return null;

  const look = async () => {
    const mine = ++turn.current;
    setLooking(true);
    setSaid(null);
    setError(null);
    const others = sizesOf(legs.slice(0, -1), known) ?? {};
    const before = others[leg.instrument] ?? 0;
    const sign = leg.side === "buy" ? 1 : -1;
    let failure: CallFailure | null = null;
    const bears = async (lots: bigint): Promise<boolean> => {
      if (mine !== turn.current) throw LEFT;
      const size = before + sign * Number(quantityOf(lots, instrument));
      try {
        const after = await ask("private/simulate_portfolio", {
          account: unit,
          add_positions: true,
          simulated_positions: { ...others, [leg.instrument]: size },
        });
        return (after.available_funds ?? -1) >= 0;
      } catch (thrown) {
        const found = asFailure(thrown);
        // Beyond the position limit is too much; anything else is told.
        if (found.code === "UNIT-E04" || found.code === "ANSW-E05") return false;
        failure = found;
        throw found;
      }
    };
    try {
      const limit = lotsOf(trimmed(instrument), instrument);
      const most = await largest("lots" in limit ? limit.lots : 1n << 40n, bears);
      if (mine !== turn.current) return;
      if (most > 0n) {
        const quantity = quantityOf(most, instrument);
        onLegs(legs.map((each) => (each.id === leg.id ? { ...each, quantity } : each)));
        setSaid(
          `${quantity} ${unitOf(instrument)} is the most: ${
            "lots" in limit && most === limit.lots
              ? "the position limit"
              : "one lot more is not covered"
          }.`,
        );
      } else {
        setSaid("Not even one lot leaves the initial requirement covered.");
      }
    } catch {
      if (mine === turn.current) setError(failure);
    } finally {
      if (mine === turn.current) setLooking(false);
    }
  };
  return (
    <>
      <button
        type="button"
        className="button is-quiet"
        disabled={isLooking}
        onClick={() => void look()}
      >
        {isLooking
          ? "Looking for the most…"
          : `Most that can be ${leg.side === "buy" ? "bought" : "sold"}`}
      </button>
      {said && (
        <span className="muted" role="status" data-testid="most">
          {said}
        </span>
      )}
      {error && <ErrorNote error={error} />}
    </>
  );
}

const LEFT = new Error("left");

/** The position limit as a quantity in whole lots. */
function trimmed(instrument: InstrumentView): string {
  const lot = instrument.min_trade_amount ?? 1;
  const lots = Math.floor(((instrument.position_limit ?? lot * 1e12) / lot) * (1 + 1e-12));
  return quantityOf(BigInt(Math.max(1, lots)), instrument);
}
