/** Lines over time (uPlot, fetched when first shown), in the colours of the theme. */

import { useEffect, useRef, useState } from "react";
import type uPlot from "uplot";
import { useCell } from "../data/hooks";
import { axisText } from "../format/numbers";
import { clock, day } from "../format/times";
import { colour, paint } from "../shell/theme";
import { useSize } from "./useSize";

export interface Series {
  name: string;
  /** A colour token: "series-1". */
  token: string;
  /** Which axis: "left" if left out. */
  side?: "left" | "right";
  /** What the numbers of the axis are divided by: 1e6 for micro-USDC. */
  scale?: number;
  format: (value: number | null) => string;
}

/** How wide an axis of numbers is; what stands under a chart may begin where its plot does. */
const AXIS_WIDE = 64;

export type Columns = [times: readonly number[], ...values: readonly (number | null)[][]];

export function TimeChart({
  label,
  series,
  columns,
  height = 180,
  onChoose,
  marked,
}: {
  /** What the chart shows, in words: the alternative for those who do not see it. */
  label: string;
  series: readonly Series[];
  /** Times in microseconds, then a column for each series. */
  columns: Columns;
  /** Pixels, or "fill" for what a parent that is a flex column leaves. */
  height?: number | "fill";
  /** A place that was clicked. */
  onChoose?: (place: number) => void;
  /** A place that is marked by a line. */
  marked?: number | null;
}) {
  const box = useRef<HTMLDivElement>(null);
  const inner = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [Plot, setPlot] = useState<typeof uPlot | null>(null);
  const size = useSize(box);
  const tall = height === "fill" ? size.height : height;
  const painted = useCell(paint);
  const chosen = useRef(onChoose);
  chosen.current = onChoose;
  const mark = useRef<number | null>(null);
  mark.current = marked ?? null;

  useEffect(() => {
    let isHere = true;
    void Promise.all([import("uplot"), import("uplot/dist/uPlot.min.css")]).then(([module]) => {
      if (isHere) setPlot(() => module.default);
    });
    return () => {
      isHere = false;
    };
  }, []);

  const shape = series.map((each) => `${each.name}/${each.token}/${each.side}`).join();
  const isThere = size.width > 0 && tall > 0;
  // biome-ignore lint/correctness/useExhaustiveDependencies: `shape` stands for series, `painted` for colours; data and size have effects of their own
  useEffect(() => {
    if (!Plot || !inner.current || !isThere) return;
    const made = new Plot(
      options(series, size.width, tall, chosen, mark),
      toData(columns),
      inner.current,
    );
    plot.current = made;
    return () => {
      plot.current = null;
      made.destroy();
    };
  }, [Plot, shape, painted, isThere]);
  useEffect(() => {
    plot.current?.setData(toData(columns));
  }, [columns]);
  useEffect(() => {
    if (isThere) plot.current?.setSize({ width: size.width, height: tall });
  }, [isThere, size.width, tall]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the mark is painted from its reference
  useEffect(() => {
    plot.current?.redraw(false);
  }, [marked]);

  const last = columns[0].length - 1;
  const words = series
    .map((each, i) => `${each.name} ${each.format(columns[i + 1]?.[last] ?? null)}`)
    .join(", ");
  return (
    <div
      className={`chart${height === "fill" ? " is-filling" : ""}`}
      ref={box}
      style={height === "fill" ? undefined : { height }}
      role="img"
      aria-label={`${label}. Last: ${words}`}
    >
      <div ref={inner} />
    </div>
  );
}

function toData(columns: Columns): uPlot.AlignedData {
  const [times, ...values] = columns;
  return [times.map((time) => time / 1e6), ...values] as unknown as uPlot.AlignedData;
}

function options(
  series: readonly Series[],
  width: number,
  height: number,
  chosen: { current: ((place: number) => void) | undefined },
  mark: { current: number | null },
): uPlot.Options {
  const muted = colour("muted");
  const grid = { stroke: colour("line"), width: 1 };
  const font = '11px system-ui, "Noto Sans", sans-serif';
  const axis = { stroke: muted, font, grid, ticks: { ...grid, size: 4 } };
  const sides = [...new Set(series.map((each) => each.side ?? "left"))];
  return {
    width,
    height,
    // Ticks are at round times of UTC: the instant is moved so that the local clock shows it.
    tzDate: (seconds) => {
      const at = new Date(seconds * 1e3);
      return new Date(at.getTime() + at.getTimezoneOffset() * 60_000);
    },
    legend: { show: false },
    cursor: { points: { size: 6 }, drag: { x: false, y: false } },
    scales: Object.fromEntries(sides.map((side) => [side, { range: roomy }])),
    axes: [
      {
        ...axis,
        space: 70,
        size: 28,
        values: (_plot, ticks) => ticks.map((tick) => instantText(tick, ticks)),
      },
      ...sides.map((side): uPlot.Axis => {
        return {
          ...axis,
          scale: side,
          side: side === "left" ? 3 : 1,
          size: AXIS_WIDE,
          space: 28,
          ...(side === "right" && sides.length > 1 && { grid: { show: false } }),
          values: (_plot, ticks) =>
            ticks.map((tick) => axisText(tick, ticks, scaleOf(side, series))),
        };
      }),
    ],
    series: [
      {},
      ...series.map(
        (each): uPlot.Series => ({
          label: each.name,
          scale: each.side ?? "left",
          stroke: colour(each.token),
          width: 1.5,
          points: { show: false },
        }),
      ),
    ],
    hooks: {
      draw: [(made) => drawMark(made, mark.current)],
      ready: [
        (made) =>
          made.over.addEventListener("click", () => {
            const place = made.cursor.idx;
            if (place != null) chosen.current?.(place);
          }),
      ],
    },
  };
}

/** The range of an axis: a twentieth of room on either side, and a thousandth of the value for a flat line. */
function roomy(_plot: uPlot, least: number | null, most: number | null): [number, number] {
  if (least == null || most == null) return [0, 1];
  const room = (most - least) / 20 || Math.abs(most) / 1_000 || 1;
  return [least - room, most + room];
}

/** What the values of a side are divided by before they are written: micro-USDC by a million. */
function scaleOf(side: "left" | "right", series: readonly Series[]): number {
  return series.find((each) => (each.side ?? "left") === side)?.scale ?? 1;
}

/** Ticks a second apart show seconds, others the minute, those of whole days the day. */
function instantText(tick: number, ticks: readonly number[]): string {
  const step = (ticks[1] ?? tick + 60) - (ticks[0] ?? tick);
  const us = tick * 1e6;
  if (step >= 86_400) return day(us).slice(5);
  return step < 60 ? clock(us) : clock(us).slice(0, 5);
}

function drawMark(made: uPlot, place: number | null): void {
  const time = place === null ? undefined : made.data[0]?.[place];
  if (time === undefined) return;
  const { ctx, bbox } = made;
  const x = Math.round(made.valToPos(time, "x", true));
  ctx.save();
  ctx.strokeStyle = colour("doubt");
  ctx.lineWidth = 2 * devicePixelRatio;
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
  ctx.restore();
}
