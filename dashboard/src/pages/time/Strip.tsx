/** An index and what a risk desk minds beside it, over the whole of the journal. */

import { useMemo, useState } from "react";
import { compactMoney, count, price } from "../../format/numbers";
import { type Columns, type Series, TimeChart } from "../../parts";
import type { HistoryData, JournalSpan } from "../../wire";
import { thinned } from "../overview/past";

const POINTS = 700;
const DANGER = new Set([
  "margin_call",
  "orders_cancelled",
  "partial_reduction",
  "full_liquidation",
  "bankrupt",
]);

export type Beside = "fund" | "danger";

export function useStrip(past: HistoryData) {
  const assets = Object.keys(past.index_prices);
  const [wished, setAsset] = useState("");
  const [beside, setBeside] = useState<Beside>("fund");
  const asset = assets.includes(wished) ? wished : (assets[0] ?? "");
  return { assets, asset, setAsset, beside, setBeside };
}

/** Units that were called or worse, row by row. */
export function inDanger(past: HistoryData): number[] {
  const columns = Object.entries(past.units_by_state)
    .filter(([state]) => DANGER.has(state))
    .map(([, column]) => column);
  return past.seq.map((_, row) => columns.reduce((sum, column) => sum + (column[row] ?? 0), 0));
}

export function Strip({
  span,
  past,
  asset,
  beside,
}: {
  span: JournalSpan;
  past: HistoryData;
  asset: string;
  beside: Beside;
}) {
  const columns = useMemo<Columns>(() => {
    const other = beside === "fund" ? past.insurance_fund_micro : inDanger(past);
    const rows = past.time_us
      .map((time, row) => [time, row] as const)
      .filter(([time]) => time >= span.first_us && time <= span.last_us);
    const shown = thinned(rows, POINTS);
    const times = shown.map(([time]) => time);
    const index = shown.map(([, row]) => past.index_prices[asset]?.[row] ?? null);
    const right: (number | null)[] = shown.map(([, row]) => other[row] ?? null);
    // The chart reaches as far as the slider, though no row may stand at its ends.
    if (times[0] !== span.first_us) {
      times.unshift(span.first_us);
      index.unshift(null);
      right.unshift(null);
    }
    if (times.at(-1) !== span.last_us) {
      times.push(span.last_us);
      index.push(index.at(-1) ?? null);
      right.push(right.at(-1) ?? null);
    }
    return [times, index, right];
  }, [span.first_us, span.last_us, past, asset, beside]);
  const series = useMemo<Series[]>(
    () => [
      { name: `${asset} index, USD`, token: "series-1", format: price },
      beside === "fund"
        ? {
            name: "Insurance fund, USDC",
            token: "series-2",
            side: "right",
            scale: 1e6,
            format: compactMoney,
          }
        : { name: "Units called or worse", token: "series-5", side: "right", format: count },
    ],
    [asset, beside],
  );
  return (
    <>
      <p className="legend">
        {series.map((each) => (
          <span key={each.name}>
            <i style={{ background: `var(--${each.token})` }} />
            {each.name} ({each.side ?? "left"})
          </span>
        ))}
      </p>
      <TimeChart
        label={`${asset} index and ${beside === "fund" ? "insurance fund" : "units called or worse"} over the whole journal`}
        series={series}
        columns={columns}
        height={170}
      />
    </>
  );
}
