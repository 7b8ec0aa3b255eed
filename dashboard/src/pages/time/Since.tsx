/** What has changed between the instant that is shown and now. */

import type { ReactNode } from "react";
import { useAsOf, useChannel } from "../../data/hooks";
import { compactMoney, count, money, percent, price, signed } from "../../format/numbers";
import { Empty, Panel, Shown, StateChip } from "../../parts";
import type { TransparencyData } from "../../wire";
import type { OfNow } from "./now";

export function Since({ now }: { now: OfNow<TransparencyData> }) {
  const { data: then, word } = useChannel("transparency.1000ms");
  const asOf = useAsOf();
  const isThere = asOf !== null && then?.as_of_seq === asOf;
  return (
    <Panel title="Then and now" note={isThere && `event ${count(asOf)} against now`} isFlush>
      {asOf === null ? (
        <Empty title="This is now">Go back in time to see what has changed since.</Empty>
      ) : (
        <Shown
          data={isThere && now.result ? now.result : null}
          error={now.error}
          again={now.again}
          word={word}
          what="what has changed"
          lines={8}
        >
          {(found) => <Rows then={then as TransparencyData} now={found} />}
        </Shown>
      )}
    </Panel>
  );
}

function Rows({ then, now }: { then: TransparencyData; now: TransparencyData }) {
  const fund = now.insurance_fund_micro - then.insurance_fund_micro;
  const debt = now.bad_debt_micro - then.bad_debt_micro;
  return (
    <div className="scroll-x">
      <table className="table since">
        <thead>
          <tr>
            <th scope="col">What</th>
            <th scope="col" className="num">
              Then
            </th>
            <th scope="col" className="num">
              Now
            </th>
            <th scope="col" className="num">
              Change
            </th>
          </tr>
        </thead>
        <tbody>
          <tr>
            <th scope="row">
              Insurance fund <span className="unit">{now.currency}</span>
            </th>
            <td className="num" title={money(then.insurance_fund_micro)}>
              {compactMoney(then.insurance_fund_micro)}
            </td>
            <td className="num" title={money(now.insurance_fund_micro)}>
              {compactMoney(now.insurance_fund_micro)}
            </td>
            <td className={`num ${fund < 0 ? "bad" : ""}`}>{change(fund, compactMoney)}</td>
          </tr>
          <tr>
            <th scope="row">
              Bad debt <span className="unit">{now.currency}</span>
            </th>
            <td className="num">{compactMoney(then.bad_debt_micro)}</td>
            <td className="num">{compactMoney(now.bad_debt_micro)}</td>
            <td className={`num ${debt > 0 ? "bad" : ""}`}>{change(debt, compactMoney)}</td>
          </tr>
          <Counted name="Accounts" then={then.accounts} now={now.accounts} />
          <Counted name="Liquidated accounts" then={then.liquidated} now={now.liquidated} />
          {Object.entries(now.units_by_state).map(([state, units]) => (
            <Counted
              key={state}
              name={<StateChip state={state} />}
              then={then.units_by_state[state] ?? 0}
              now={units}
            />
          ))}
          {Object.entries(now.indices).map(([asset, index]) => {
            const before = then.indices[asset];
            const ratio = index != null && before ? index / before - 1 : null;
            return (
              <tr key={asset}>
                <th scope="row">
                  {asset} index <span className="unit">USD</span>
                </th>
                <td className="num">{price(before)}</td>
                <td className="num">{price(index)}</td>
                <td className="num">
                  {ratio !== null && ratio > 0 ? "+" : ""}
                  {percent(ratio)}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function Counted({ name, then, now }: { name: ReactNode; then: number; now: number }) {
  return (
    <tr className={then === 0 && now === 0 ? "muted" : undefined}>
      <th scope="row">{name}</th>
      <td className="num">{count(then)}</td>
      <td className="num">{count(now)}</td>
      <td className="num">{now === then ? "=" : signed(now - then)}</td>
    </tr>
  );
}

function change(micro: number, format: (micro: number) => string): string {
  if (micro === 0) return "=";
  return micro > 0 ? `+${format(micro)}` : format(micro);
}
