/** Bars over the moves: longs and shorts to be liquidated by the last step, and the sum so far as a line. */

import { compact, count, signed } from "../../format/numbers";
import { axis, EChart, tooltip } from "../../parts";
import type { LiquidationMap } from "../../wire";
import { shareOfMove, titleOf } from "./levels";

export function Bars({ map }: { map: LiquidationMap }) {
  const moves = map.levels.map((level) => `${signed(shareOfMove(level) * 100, 1)} %`);
  const usd = (micro: number) => micro / 1e6;
  return (
    <EChart
      label={toldMap(map)}
      depends={map}
      height={320}
      option={(colours) => ({
        grid: { left: 8, right: 8, top: 34, bottom: 4, containLabel: true },
        tooltip: {
          ...tooltip(colours),
          trigger: "axis",
          formatter: (found: { dataIndex: number }[]) => toldLevel(map, found[0]?.dataIndex ?? 0),
        },
        xAxis: axis(colours, {
          type: "category",
          data: moves,
          axisLabel: { color: colours.muted, fontSize: 11, interval: 4 },
          splitLine: { show: false },
        }),
        yAxis: [
          axis(colours, {
            type: "value",
            name: "step, USD",
            axisLabel: { color: colours.muted, formatter: (value: number) => compact(value) },
          }),
          axis(colours, {
            type: "value",
            name: "so far, USD",
            splitLine: { show: false },
            axisLabel: { color: colours.muted, formatter: (value: number) => compact(value) },
          }),
        ],
        series: [
          {
            name: "longs",
            type: "bar",
            stack: "step",
            itemStyle: { color: colours.series[4] },
            data: map.levels.map((level) => usd(level.bucket.long_usd_micro)),
            markLine: {
              silent: true,
              symbol: "none",
              label: { formatter: "now", color: colours.muted },
              lineStyle: { color: colours.muted, type: "dashed" },
              data: [{ xAxis: moves[map.levels.findIndex((level) => level.move_ppm === 0)] }],
            },
          },
          {
            name: "shorts",
            type: "bar",
            stack: "step",
            itemStyle: { color: colours.series[0] },
            data: map.levels.map((level) => usd(level.bucket.short_usd_micro)),
          },
          {
            name: "so far",
            type: "line",
            yAxisIndex: 1,
            showSymbol: false,
            lineStyle: { color: colours.series[2], width: 1.5 },
            itemStyle: { color: colours.series[2] },
            data: map.levels.map((level) => usd(level.cumulative.notional_usd_micro)),
          },
        ],
      })}
    />
  );
}

function toldLevel(map: LiquidationMap, place: number): string {
  const level = map.levels[place];
  if (!level) return "";
  const { bucket, cumulative } = level;
  return [
    `${signed(shareOfMove(level) * 100, 1)} %`,
    `this step: longs ${compact(bucket.long_usd_micro / 1e6)}, shorts ${compact(bucket.short_usd_micro / 1e6)} USD, ${count(bucket.units)} units`,
    `so far: ${compact(cumulative.notional_usd_micro / 1e6)} USD, ${count(cumulative.units)} units`,
    `shortfall at this mark: ${compact(level.at.shortfall_micro / 1e6)} ${map.currency}`,
  ].join("\n");
}

function toldMap(map: LiquidationMap): string {
  const ends = [map.levels[0], map.levels[map.levels.length - 1]];
  const told = ends.flatMap((level) =>
    level
      ? [
          `at ${signed(shareOfMove(level) * 100, 0)} per cent ${compact(level.cumulative.notional_usd_micro / 1e6)} USD of ${count(level.cumulative.units)} units`,
        ]
      : [],
  );
  return `Notional to be liquidated ${titleOf(map)}: ${told.join("; ")}. The table below has every level.`;
}
