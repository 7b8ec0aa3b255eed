/** What the unit holds, what each position is worth of the requirement, and what rests in the book. */

import { useMemo } from "react";
import { fixed, NONE, percent, price, signed } from "../../format/numbers";
import { instant } from "../../format/times";
import { Empty } from "../../parts";
import type { Explained, PositionView } from "../../wire";
import { toNumber } from "./amounts";
import { useIndices } from "./Head";
import { byWeight, type Holding, holdingsOf, totalsOf } from "./holdings";
import { useUnit } from "./unit";

const GREEK_DIGITS = 4;

export function Positions({ explained }: { explained: Explained | null }) {
  const { told, positions } = useUnit();
  const requirement = toNumber(told.account.maintenance_requirement);
  const rows = useMemo(
    () => holdingsOf(positions, explained?.parts ?? null, requirement).sort(byWeight),
    [positions, explained, requirement],
  );
  const hasOptions = positions.some((each) => each.kind === "option");
  return (
    <>
      {rows.length === 0 ? (
        <Empty title="No open position">The unit holds balances alone.</Empty>
      ) : (
        <div className="scroll-x">
          <table className="table positions">
            <caption className="sr-only">Positions, largest share of the requirement first</caption>
            <thead>
              <tr>
                <th scope="col">Instrument</th>
                <th scope="col" className="num">
                  Quantity
                </th>
                <th scope="col" className="num">
                  Average price
                </th>
                <th scope="col" className="num">
                  Mark price
                </th>
                <th scope="col" className="num">
                  P&amp;L <span className="unit">USD</span>
                </th>
                <th scope="col" className="num">
                  Notional <span className="unit">USD</span>
                </th>
                <th scope="col" className="num">
                  Requirement <span className="unit">share</span>
                </th>
                <th scope="col" className="num">
                  Delta
                </th>
                {hasOptions && <OptionHeads />}
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <Row key={row.position.instrument_name} row={row} hasOptions={hasOptions} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      <div className="account-two is-inset">
        <Greeks />
        <Orders />
      </div>
    </>
  );
}

function OptionHeads() {
  return (
    <>
      <th scope="col" className="num">
        Gamma <span className="unit">per USD</span>
      </th>
      <th scope="col" className="num">
        Vega <span className="unit">USD a point</span>
      </th>
      <th scope="col" className="num">
        Theta <span className="unit">USD a day</span>
      </th>
    </>
  );
}

function OptionGreeks({
  of,
}: {
  of: { gamma: number | null; vega: number | null; theta: number | null };
}) {
  return (
    <>
      <td className="num">{greek(of.gamma, 6)}</td>
      <td className="num">{greek(of.vega, 2)}</td>
      <td className="num">{greek(of.theta, 2)}</td>
    </>
  );
}

function Row({ row, hasOptions }: { row: Holding; hasOptions: boolean }) {
  const { position, notional, share } = row;
  const profit = position.floating_profit_loss;
  return (
    <tr>
      <th scope="row" className="positions-name">
        {position.instrument_name}
      </th>
      <td className="num">
        <span className={(position.size ?? 0) < 0 ? "short" : undefined}>{quantity(position)}</span>{" "}
        <span className="unit">{position.size_unit}</span>
      </td>
      <td className="num">
        {position.kind === "option" ? (
          <span className="muted" title="an option's premium was paid when it was traded">
            {NONE}
          </span>
        ) : (
          price(position.average_price)
        )}
      </td>
      <td className="num">
        {price(position.mark_price)}{" "}
        {position.kind === "option" && position.settlement_currency && (
          <span className="unit">{position.settlement_currency}</span>
        )}
      </td>
      <td className={`num ${profit != null && profit < 0 ? "bad" : ""}`}>{signed(profit, 2)}</td>
      <td className="num">{fixed(notional, 0)}</td>
      <td
        className="num"
        title={row.required === null ? undefined : `${fixed(row.required, 2)} USDC of maintenance`}
      >
        {share === null ? NONE : percent(share, 1)}
      </td>
      <td className="num">{greek(position.delta)}</td>
      {hasOptions && <OptionGreeks of={position} />}
    </tr>
  );
}

/** A signed quantity with the digits it has: +0.0003, −18.27. */
export function quantity({ size }: Pick<PositionView, "size">): string {
  if (size == null) return NONE;
  const digits = (String(Math.abs(size)).split(".")[1] ?? "").length;
  return signed(size, Math.min(8, digits));
}

function greek(value: number | null, digits = GREEK_DIGITS): string {
  if (value == null) return NONE;
  const size = Math.abs(value);
  return fixed(value, size >= 1_000 ? 1 : size >= 100 ? Math.min(2, digits) : digits);
}

function Greeks() {
  const { summary, positions } = useUnit();
  const indices = useIndices();
  if (!summary) return null;
  const rows = totalsOf(summary);
  if (rows.length === 0) return null;
  const hasOptions = positions.some((each) => each.kind === "option");
  return (
    <div>
      <h3>Greeks by underlying</h3>
      <div className="scroll-x">
        <table className="table">
          <caption className="sr-only">Greeks by underlying, coins counted in the delta</caption>
          <thead>
            <tr>
              <th scope="col">Underlying</th>
              <th scope="col" className="num">
                Delta <span className="unit">units</span>
              </th>
              <th scope="col" className="num">
                Delta <span className="unit">USD</span>
              </th>
              {hasOptions && <OptionHeads />}
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.underlying}>
                <th scope="row">{row.underlying}</th>
                <td className="num">{greek(row.delta)}</td>
                <td className="num">
                  {row.delta === null
                    ? NONE
                    : fixed(row.delta * (indices[row.underlying] ?? Number.NaN))}
                </td>
                {hasOptions && <OptionGreeks of={row} />}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}

function Orders() {
  const { summary } = useUnit();
  const orders = summary?.unit?.orders;
  return (
    <div>
      <h3>Resting orders</h3>
      {!orders ? (
        <p className="muted account-pad">Not told by this method.</p>
      ) : orders.length === 0 ? (
        <p className="muted account-pad">None.</p>
      ) : (
        <div className="scroll-x">
          <table className="table">
            <caption className="sr-only">Resting orders</caption>
            <thead>
              <tr>
                <th scope="col">Order</th>
                <th scope="col">Instrument</th>
                <th scope="col" className="num">
                  Quantity
                </th>
                <th scope="col" className="num">
                  Price
                </th>
                <th scope="col">Leaves</th>
              </tr>
            </thead>
            <tbody>
              {orders.map((order) => (
                <tr key={order.order_id}>
                  <th scope="row">{order.order_id}</th>
                  <td>{order.instrument_name}</td>
                  <td className="num">{quantity({ size: order.amount })}</td>
                  <td className="num">{price(order.price)}</td>
                  <td>
                    {order.expires_us ? instant(order.expires_us) : "when filled or cancelled"}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </div>
  );
}
