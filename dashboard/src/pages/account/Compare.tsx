/** What the methods of other venues would ask for the same account, and why some say nothing of it. */

import { useState } from "react";
import { compact, fixed, NONE, ratio } from "../../format/numbers";
import { Empty, ErrorNote, Loading } from "../../parts";
import type { Compared } from "../../wire";
import { useRefreshed } from "./asking";
import { useIsSeen } from "./Section";
import { useUnit } from "./unit";
import { Wait } from "./Wait";

const EVERY_MS = 15_000;
/** Ratios beyond this are drawn at the end of the bar. */
const RATIO_MOST = 4;

export function Compare() {
  const { unit } = useUnit();
  const isSeen = useIsSeen();
  const asked = useRefreshed(
    "private/compare",
    { account: unit },
    { everyMs: EVERY_MS, isHeld: !isSeen, timeoutMs: 60_000 },
  );
  const { result, error, again } = asked;
  return (
    <>
      <Wait asked={asked} />
      {error && <ErrorNote error={error} again={again} />}
      {result ? <Rows rows={result.rows} /> : !error && <Loading what="other methods" lines={6} />}
    </>
  );
}

function Rows({ rows }: { rows: readonly Compared[] }) {
  const [areSilentShown, setSilentShown] = useState(false);
  const said = rows.filter((row) => row.error === null);
  const silent = rows.filter((row) => row.error !== null);
  const own = said.find((row) => row.method === "engine");
  const others = said
    .filter((row) => row !== own)
    .sort((a, b) => (a.margin_ratio ?? Infinity) - (b.margin_ratio ?? Infinity));
  return (
    <>
      {others.length === 0 && (
        <Empty title="No other method covers this account">
          Each says below what it would need to know.
        </Empty>
      )}
      {said.length > 0 && (
        <div className="scroll-x">
          <table className="table compare">
            <caption className="sr-only">
              Methods: margin ratio, equity and requirements; below 1 is liquidatable
            </caption>
            <thead>
              <tr>
                <th scope="col">Method</th>
                <th scope="col" className="compare-bars">
                  Margin ratio
                </th>
                <th scope="col" className="num">
                  <span className="sr-only">Margin ratio as a number</span>
                </th>
                <th scope="col" className="num">
                  Initial
                </th>
                <th scope="col" className="num">
                  Maintenance
                </th>
                <th scope="col" className="num is-wide">
                  Equity
                </th>
              </tr>
            </thead>
            <tbody>
              {own && <Row row={own} isOwn />}
              {others.map((row) => (
                <Row key={row.method} row={row} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {silent.length > 0 && (
        <>
          <button
            type="button"
            className="button is-quiet"
            aria-expanded={areSilentShown}
            onClick={() => setSilentShown(!areSilentShown)}
          >
            {areSilentShown ? "Hide" : "Show"} why {silent.length} methods say nothing
          </button>
          {areSilentShown && (
            <dl className="silent">
              {silent.map((row) => (
                <div key={row.method}>
                  <dt>
                    {row.method} <span className="unit">{row.version}</span>
                  </dt>
                  <dd>
                    {sentence(row.error, "message")}{" "}
                    <span className="muted">{sentence(row.error, "rule")}</span>
                  </dd>
                </div>
              ))}
            </dl>
          )}
        </>
      )}
      <p className="muted account-pad">
        Each by its own rules on the same positions, prices and balances; ratio = equity over
        maintenance requirement, liquidatable below 1.
      </p>
    </>
  );
}

function sentence(error: Record<string, unknown> | null, field: string): string {
  const text = error?.[field];
  if (typeof text !== "string" || !text) return "";
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function Row({ row, isOwn = false }: { row: Compared; isOwn?: boolean }) {
  const value = row.margin_ratio;
  const place = (x: number) => `${(Math.min(RATIO_MOST, Math.max(0, x)) / RATIO_MOST) * 100}%`;
  const tone = value != null && value < 1 ? "bad" : "";
  return (
    <tr className={isOwn ? "compare-own" : undefined}>
      <th scope="row">
        {isOwn ? "This venue" : row.method}
        <span className="compare-of">
          {row.version} in {row.currency}
        </span>
      </th>
      <td className="compare-bars" aria-hidden="true">
        {value != null && (
          <i
            className={`compare-bar ${value < 1 ? "is-bad" : ""}`}
            style={{ width: place(value) }}
          />
        )}
        <i className="compare-one" style={{ left: place(1) }} />
      </td>
      <td className={`num ${tone}`}>{value == null ? "none" : ratio(value)}</td>
      <td className="num" title={fixed(row.initial_margin, 2)}>
        {amount(row.initial_margin)}
      </td>
      <td className="num" title={fixed(row.maintenance_margin, 2)}>
        {amount(row.maintenance_margin)}
      </td>
      <td className="num is-wide" title={fixed(row.equity, 2)}>
        {amount(row.equity)}
      </td>
    </tr>
  );
}

function amount(value: number | null): string {
  if (value == null) return NONE;
  const size = Math.abs(value);
  return size >= 1e6 ? compact(value) : fixed(value, size < 10 ? 4 : 2);
}
