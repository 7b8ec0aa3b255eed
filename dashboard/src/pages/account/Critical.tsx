/** At which prices the unit is liquidated, and at which it is bankrupt. */

import { useState } from "react";
import { NONE, price, signed } from "../../format/numbers";
import { Empty, Shown } from "../../parts";
import type { CriticalView, RootView } from "../../wire";
import { toNumber } from "./amounts";
import { useRefreshed } from "./asking";
import { distance, ladderOf, nearest } from "./ladder";
import { useIsSeen } from "./Section";
import { useUnit } from "./unit";
import { Wait } from "./Wait";

const EVERY_MS = 10_000;
const AT_FIRST = 6;

export function Critical() {
  const { unit } = useUnit();
  const isSeen = useIsSeen();
  const asked = useRefreshed(
    "private/critical_prices",
    { account: unit },
    { everyMs: EVERY_MS, isHeld: !isSeen, timeoutMs: 60_000 },
  );
  return (
    <>
      <Wait asked={asked} />
      <Shown
        data={asked.result}
        error={asked.error}
        again={asked.again}
        what="critical prices"
        lines={5}
      >
        {({ prices }) =>
          prices.length === 0 ? (
            <Empty title="Open to no price">The unit holds nothing whose price can move.</Empty>
          ) : (
            <Ladders views={prices} />
          )
        }
      </Shown>
    </>
  );
}

function Ladders({ views }: { views: readonly CriticalView[] }) {
  const [isWhole, setWhole] = useState(false);
  const sorted = [...views].sort((a, b) => closeness(a) - closeness(b));
  const turning = sorted.filter((view) => view.liquidation.length + view.bankruptcy.length > 0);
  const still = sorted.filter((view) => !turning.includes(view));
  const shown = isWhole ? turning : turning.slice(0, AT_FIRST);
  const first = nearest(views);
  return (
    <>
      <p className="account-say" data-testid="nearest">
        {first ? (
          <>
            Nearest: liquidated with <strong>{first.view.underlying}</strong> at{" "}
            <strong>{price(toNumber(first.price))}</strong> USD, {percentAway(first.move)} from
            here, the other prices held still.
          </>
        ) : views.some((view) => view.is_liquidatable) ? (
          <>Liquidatable at the present prices; no price of one underlying alone ends that.</>
        ) : (
          <>No price of one underlying alone liquidates the unit.</>
        )}
      </p>
      <ul className="ladders">
        {shown.map((view) => (
          <li key={`${view.underlying} ${view.instrument}`}>
            <Rung view={view} />
          </li>
        ))}
      </ul>
      {turning.length > AT_FIRST && (
        <button type="button" className="button is-quiet" onClick={() => setWhole(!isWhole)}>
          {isWhole ? "Show the nearest only" : `Show all ${turning.length} underlyings`}
        </button>
      )}
      {still.length > 0 && <Still views={still} />}
      {turning.length > 0 && (
        <p className="legend ladder-legend">
          <span>
            <i className="ladder-key is-index" /> present price
          </span>
          <span>
            <i className="ladder-key is-liquidation" /> liquidated
          </span>
          <span>
            <i className="ladder-key is-bankruptcy" /> bankrupt
          </span>
          <span>logarithmic, as far below as above</span>
        </p>
      )}
    </>
  );
}

function closeness(view: CriticalView): number {
  const moves = [view.liquidation_below, view.liquidation_above]
    .map((each) => distance(each, view.reference))
    .filter((each) => each !== null);
  return moves.length ? Math.min(...moves.map(Math.abs)) : Number.POSITIVE_INFINITY;
}

const percentAway = (move: number | null): string =>
  move === null ? NONE : `${signed(move * 100, Math.abs(move) < 0.1 ? 2 : 1)} %`;

/** Underlyings whose price alone changes no verdict, or that cannot be looked at. */
function Still({ views }: { views: readonly CriticalView[] }) {
  const silent = views.filter((view) => view.reason);
  const calm = views.filter((view) => !view.reason);
  return (
    <div className="still muted">
      {calm.length > 0 && (
        <p title={calm.map((view) => view.words.join("; ")).join("\n")}>
          {calm.some((view) => view.is_liquidatable)
            ? "No price alone ends it"
            : "No price alone liquidates or bankrupts it"}
          , from a hundred-thousandth to ten times the present one:{" "}
          {calm.map((view) => view.instrument || view.underlying).join(", ")}.
        </p>
      )}
      {silent.map((view) => (
        <p key={`${view.underlying} ${view.instrument}`}>
          {view.instrument || view.underlying}: {view.reason}.
        </p>
      ))}
    </div>
  );
}

function Rung({ view }: { view: CriticalView }) {
  const ladder = ladderOf(view);
  const all = [...view.liquidation, ...view.bankruptcy].length;
  const named = [
    view.liquidation_below,
    view.liquidation_above,
    view.bankruptcy_below,
    view.bankruptcy_above,
  ].filter(Boolean).length;
  return (
    <div className="rung">
      <div className="rung-head">
        <h3>{view.instrument || view.underlying}</h3>
        <span className="muted">
          {price(toNumber(view.reference))} <span className="unit">USD</span>
        </span>
        {view.is_liquidatable && <strong className="bad">liquidatable now</strong>}
      </div>
      {ladder && (
        <div className="ladder" role="img" aria-label={view.words.join("; ")}>
          <div className="ladder-track" />
          {ladder.liquidatable.map(([from, to]) => (
            <i key={`l${from}`} className="ladder-range is-liquidation" style={span(from, to)} />
          ))}
          {ladder.bankrupt.map(([from, to]) => (
            <i key={`b${from}`} className="ladder-range is-bankruptcy" style={span(from, to)} />
          ))}
          {ladder.liquidation.map((each) => (
            <i key={each.price} className="ladder-mark is-liquidation" style={at(each.at)} />
          ))}
          {ladder.bankruptcy.map((each) => (
            <i key={each.price} className="ladder-mark is-bankruptcy" style={at(each.at)} />
          ))}
          <i className="ladder-mark is-index" style={at(ladder.index.at)} />
        </div>
      )}
      <dl className="rung-prices">
        <Priced name="Liquidated below" text={view.liquidation_below} view={view} />
        <Priced name="Liquidated above" text={view.liquidation_above} view={view} />
        <Priced name="Bankrupt below" text={view.bankruptcy_below} view={view} />
        <Priced name="Bankrupt above" text={view.bankruptcy_above} view={view} />
      </dl>
      {all > named && (
        <p className="muted rung-words">All prices at which it turns: {turns(view)}.</p>
      )}
    </div>
  );
}

function turns(view: CriticalView): string {
  const said = (roots: readonly RootView[]) =>
    roots
      .map(
        ({ price: at, direction }) =>
          `${price(toNumber(at))} ${direction === "falling" ? "and below" : "and above"}`,
      )
      .join(", ");
  const parts = [];
  if (view.liquidation.length) parts.push(`liquidated at ${said(view.liquidation)}`);
  if (view.bankruptcy.length) parts.push(`bankrupt at ${said(view.bankruptcy)}`);
  return parts.join("; ");
}

function Priced({ name, text, view }: { name: string; text: string | null; view: CriticalView }) {
  if (text === null) return null;
  const move = distance(text, view.reference);
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        {price(toNumber(text))} <span className="muted">{percentAway(move)}</span>
      </dd>
    </div>
  );
}

const span = (from: number, to: number) => ({
  left: `${from * 100}%`,
  width: `${(to - from) * 100}%`,
});
const at = (place: number) => ({ left: `${place * 100}%` });
