/** A small chart of lines and marks in one picture of vectors: its colours are those of the theme, it changes in place. */

import { useMemo, useRef, useState } from "react";
import { useSize } from "../../parts";
import { niceRange, type Range, shareOf, ticksOf } from "./frame";

export interface Mark {
  x: number;
  y: number;
  /** What is said of it when it is pointed at. */
  words: readonly string[];
}

const LEFT = 40;
const RIGHT = 12;
const TOP = 8;
const BOTTOM = 24;
const NEAR_PX = 24;
const TIP_WIDTH = 190;

export function Plot({
  label,
  marks,
  lines,
  dashed = [],
  upright,
  xRange,
  yRange,
  xText,
  yText,
  isTurned = false,
  height = 150,
}: {
  /** What it shows, in words: the alternative for those who do not see it. */
  label: string;
  marks: readonly Mark[];
  lines: readonly (readonly { x: number; y: number }[])[];
  /** Lines that are only a help to the eye. */
  dashed?: readonly (readonly { x: number; y: number }[])[];
  /** A place across that is marked, and its word. */
  upright?: { x: number; word: string } | null;
  xRange?: Range;
  yRange?: Range;
  xText: (tick: number, ticks: readonly number[]) => string;
  yText: (tick: number, ticks: readonly number[]) => string;
  /** Whether x falls from left to right, as the delta of a call does while strikes rise. */
  isTurned?: boolean;
  height?: number;
}) {
  const box = useRef<HTMLDivElement>(null);
  const { width } = useSize(box);
  const [pointed, setPointed] = useState<number | null>(null);
  const across = useMemo(() => xRange ?? niceRange(marks.map((mark) => mark.x)), [xRange, marks]);
  const up = useMemo(() => yRange ?? niceRange(marks.map((mark) => mark.y)), [yRange, marks]);
  const atX = (x: number) => {
    const share = shareOf(x, across);
    return LEFT + (isTurned ? 1 - share : share) * (width - LEFT - RIGHT);
  };
  const atY = (y: number) => height - BOTTOM - shareOf(y, up) * (height - TOP - BOTTOM);
  const path = (line: readonly { x: number; y: number }[]) =>
    line.map(({ x, y }, n) => `${n ? "L" : "M"}${atX(x).toFixed(1)} ${atY(y).toFixed(1)}`).join("");
  const point = (event: React.PointerEvent<HTMLDivElement>) => {
    const place = event.currentTarget.getBoundingClientRect();
    setPointed(nearest(marks, event.clientX - place.left, event.clientY - place.top, atX, atY));
  };
  const rows = ticksOf(up, Math.max(2, Math.floor(height / 36)));
  const columns = ticksOf(across, Math.max(2, Math.floor((width - LEFT) / 70)));
  const shown = pointed === null ? undefined : marks[pointed];
  return (
    <div
      className="plot"
      ref={box}
      style={{ height }}
      onPointerMove={point}
      onPointerLeave={() => setPointed(null)}
    >
      {width > 0 && (
        <svg width={width} height={height} role="img" aria-label={label}>
          {rows.map((tick) => (
            <g key={tick}>
              <line
                className="plot-grid"
                x1={LEFT}
                x2={width - RIGHT}
                y1={atY(tick)}
                y2={atY(tick)}
              />
              <text className="plot-text is-end" x={LEFT - 5} y={atY(tick) + 4}>
                {yText(tick, rows)}
              </text>
            </g>
          ))}
          {columns.map((tick) => (
            <text className="plot-text is-middle" key={tick} x={atX(tick)} y={height - 6}>
              {xText(tick, columns)}
            </text>
          ))}
          {upright && (
            <line
              className="plot-upright"
              x1={atX(upright.x)}
              x2={atX(upright.x)}
              y1={TOP}
              y2={height - BOTTOM}
            >
              <title>{upright.word}</title>
            </line>
          )}
          {dashed.map((line, n) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: lines have no name but their place
            <path className="plot-help" key={n} d={path(line)} />
          ))}
          {lines.map((line, n) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: lines have no name but their place
            <path className="plot-line" key={n} d={path(line)} />
          ))}
          {marks.map((mark, n) => (
            <circle
              // biome-ignore lint/suspicious/noArrayIndexKey: a mark is its place in the order
              key={n}
              className={n === pointed ? "plot-mark is-pointed" : "plot-mark"}
              cx={atX(mark.x)}
              cy={atY(mark.y)}
              r={n === pointed ? 5 : 3}
            />
          ))}
        </svg>
      )}
      {shown && (
        <div
          className="plot-tip"
          style={{
            left: Math.max(0, Math.min(width - TIP_WIDTH, atX(shown.x) - TIP_WIDTH / 2)),
            top: atY(shown.y) > height / 2 ? 0 : undefined,
            bottom: atY(shown.y) > height / 2 ? undefined : BOTTOM,
          }}
        >
          {shown.words.map((word) => (
            <div key={word}>{word}</div>
          ))}
        </div>
      )}
    </div>
  );
}

function nearest(
  marks: readonly Mark[],
  x: number,
  y: number,
  atX: (x: number) => number,
  atY: (y: number) => number,
): number | null {
  let found: number | null = null;
  let least = NEAR_PX;
  for (const [n, mark] of marks.entries()) {
    const away = Math.hypot(atX(mark.x) - x, atY(mark.y) - y);
    if (away < least) {
      least = away;
      found = n;
    }
  }
  return found;
}
