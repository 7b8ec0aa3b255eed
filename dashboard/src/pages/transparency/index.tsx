/** What anybody may see: whether the venue is sound, and how to check it. No account is named. */

import "./transparency.css";
import { useChannel } from "../../data/hooks";
import { compact, compactMoney, count, percent, price } from "../../format/numbers";
import { instant } from "../../format/times";
import { words } from "../../format/words";
import { type Figure, KeyFigures, Panel, Shown, StateChip, VerdictChip } from "../../parts";
import type { TransparencyData } from "../../wire";

export default function Transparency() {
  const { data, word } = useChannel("transparency.1000ms");
  return (
    <div className="transparency">
      <h1 className="sr-only">Transparency</h1>
      <Shown data={data} word={word} what="what anybody may see" lines={12}>
        {(venue) => (
          <>
            <KeyFigures label="The venue in numbers" figures={figures(venue)} />
            <div className="transparency-columns">
              <Proof venue={venue} />
              <States venue={venue} />
              <Indices venue={venue} />
              <Interest venue={venue} />
            </div>
          </>
        )}
      </Shown>
    </div>
  );
}

function figures(venue: TransparencyData): Figure[] {
  const unit = <span className="unit"> {venue.currency}</span>;
  const interest = Object.values(venue.open_interest_usd).reduce<number>((a, b) => a + (b ?? 0), 0);
  const hasDebt = venue.bad_debt_uncovered_micro > 0;
  return [
    {
      name: "Insurance fund",
      value: (
        <span>
          {compactMoney(venue.insurance_fund_micro)}
          {unit}
        </span>
      ),
      note: "at index",
    },
    {
      name: "Bad debt",
      value: (
        <span>
          {compactMoney(venue.bad_debt_micro)}
          {unit}
        </span>
      ),
      note: `${compactMoney(venue.bad_debt_uncovered_micro)} that the fund did not cover`,
      ...(hasDebt && { tone: "bad" as const }),
    },
    {
      name: "Open interest",
      value: (
        <span>
          {compact(interest)}
          <span className="unit"> USD</span>
        </span>
      ),
      note: "longs at index",
    },
    {
      name: "Accounts",
      value: count(venue.accounts),
      note: `${count(venue.liquidated)} liquidated so far`,
    },
  ];
}

function Proof({ venue }: { venue: TransparencyData }) {
  return (
    <Panel
      title="Proof"
      note="what a replay of the journal must come to"
      className="transparency-proof"
    >
      <dl className="proof">
        <dt>Method</dt>
        <dd>
          {venue.method} {venue.method_version}
        </dd>
        <dt>Hash of the method</dt>
        <dd className="mono hash">{venue.method_hash}</dd>
        <dt>State hash</dt>
        <dd className="mono hash">{venue.state_hash || "no checkpoint yet"}</dd>
        <dt>at event</dt>
        <dd className="num-left">{venue.state_hash ? count(venue.state_hash_seq) : "none"}</dd>
        <dt>Sums to zero</dt>
        <dd>
          <VerdictChip verdict={venue.sums_are_zero ? "good" : "invalid"} />{" "}
          {venue.sums_are_zero
            ? "every asset's ledger summed to zero there"
            : "the ledger has not been proven yet"}
        </dd>
        <dt>Now</dt>
        <dd>
          event {count(venue.as_of_seq)}, {instant(venue.time_us)}
        </dd>
      </dl>
      <p className="muted">
        Whoever holds the journal can check this:{" "}
        <code className="mono">steelyard replay JOURNAL --verify</code> recomputes every decision
        and compares every state hash.
      </p>
    </Panel>
  );
}

function States({ venue }: { venue: TransparencyData }) {
  const units = Object.values(venue.units_by_state).reduce((a, b) => a + b, 0);
  return (
    <Panel title="Margin units by state" note={`${count(units)} units`} isFlush>
      <table className="table">
        <thead className="sr-only">
          <tr>
            <th scope="col">State</th>
            <th scope="col">Units</th>
            <th scope="col">Share</th>
          </tr>
        </thead>
        <tbody>
          {Object.entries(venue.units_by_state).map(([state, found]) => (
            <tr key={state}>
              <th scope="row">
                <StateChip state={state} />
              </th>
              <td className="num">{count(found)}</td>
              <td className="num muted">{percent(units ? found / units : 0, 2)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  );
}

function Indices({ venue }: { venue: TransparencyData }) {
  return (
    <Panel title="Index prices" note="USD" isFlush>
      <table className="table">
        <thead>
          <tr>
            <th scope="col">Asset</th>
            <th scope="col" className="num">
              Index
            </th>
            <th scope="col">Condition</th>
          </tr>
        </thead>
        <tbody>
          {Object.entries(venue.conditions).map(([asset, condition]) => (
            <tr key={asset}>
              <th scope="row">{asset}</th>
              <td className="num">{price(venue.indices[asset] ?? null)}</td>
              <td>
                <VerdictChip verdict={condition} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  );
}

function Interest({ venue }: { venue: TransparencyData }) {
  const rows = Object.entries(venue.open_interest_usd).sort(([, a], [, b]) => (b ?? 0) - (a ?? 0));
  const most = Math.max(1, ...rows.map(([, usd]) => usd ?? 0));
  return (
    <Panel title="Open interest" note="USD, longs at index" isFlush>
      <ul className="interest">
        {rows.map(([asset, usd]) => (
          <li key={asset}>
            <span>{words(asset)}</span>
            <i
              className="interest-bar"
              style={{ width: `${((usd ?? 0) / most) * 100}%` }}
              aria-hidden="true"
            />
            <span className="num">{compact(usd)}</span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
