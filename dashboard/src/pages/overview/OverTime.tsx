/** An index and the insurance fund over time. */

import { useMemo, useState } from "react";
import type { Answer } from "../../data/hooks";
import { compactMoney, price } from "../../format/numbers";
import { type Columns, Empty, Panel, type Series, Shown, TimeChart } from "../../parts";
import type { HistoryData } from "../../wire";
import { thinned } from "./past";

const POINTS = 800;

export function OverTime({ past }: { past: Answer<HistoryData> }) {
  const assets = Object.keys(past.result?.index_prices ?? {});
  const [wished, setWished] = useState("");
  const asset = assets.includes(wished) ? wished : (assets[0] ?? "");
  return (
    <Panel
      title="Over time"
      note="UTC"
      className="overview-time"
      tools={assets.map((each) => (
        <button
          key={each}
          type="button"
          className="button is-quiet"
          aria-pressed={each === asset}
          onClick={() => setWished(each)}
        >
          {each}
        </button>
      ))}
    >
      <Shown data={past.result} error={past.error} again={past.again} what="history">
        {(history) => <Chart history={history} asset={asset} />}
      </Shown>
    </Panel>
  );
}

function Chart({ history, asset }: { history: HistoryData; asset: string }) {
  const columns = useMemo<Columns>(
    () => [
      thinned(history.time_us, POINTS),
      thinned(history.index_prices[asset] ?? [], POINTS),
      thinned(history.insurance_fund_micro, POINTS),
    ],
    [history, asset],
  );
  const series = useMemo<Series[]>(
    () => [
      { name: `${asset} index, USD`, token: "series-1", format: price },
      {
        name: "Insurance fund, USDC",
        token: "series-2",
        side: "right",
        scale: 1e6,
        format: compactMoney,
      },
    ],
    [asset],
  );
  if (history.time_us.length < 2) return <Empty title="The venue has just begun" />;
  return (
    <>
      <p className="legend">
        <span>
          <i style={{ background: "var(--series-1)" }} />
          {series[0]?.name} (left)
        </span>
        <span>
          <i style={{ background: "var(--series-2)" }} />
          {series[1]?.name} (right)
        </span>
      </p>
      <TimeChart
        label="Index and insurance fund over time"
        series={series}
        columns={columns}
        height="fill"
      />
    </>
  );
}
