/** A small line without axes, painted by hand; its words say from, to, least and most. */

import { useEffect, useRef } from "react";
import { useCell } from "../data/hooks";
import { colour, paint } from "../shell/theme";

export function Sparkline({
  values,
  label,
  width = 96,
  height = 22,
  token = "series-1",
  format = String,
}: {
  values: readonly (number | null)[];
  /** What the line is of, for those who do not see it. */
  label: string;
  width?: number;
  height?: number;
  token?: string;
  format?: (value: number) => string;
}) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const painted = useCell(paint);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `painted` stands for the colours
  useEffect(() => {
    const element = canvas.current;
    const context = element?.getContext("2d");
    if (!element || !context) return;
    const ratio = devicePixelRatio || 1;
    element.width = Math.round(width * ratio);
    element.height = Math.round(height * ratio);
    context.scale(ratio, ratio);
    context.clearRect(0, 0, width, height);
    line(context, values, width, height, colour(token));
  }, [values, width, height, token, painted]);
  const known = values.filter((value): value is number => value !== null);
  const words = known.length
    ? `${label}: from ${format(known[0] as number)} to ${format(known.at(-1) as number)}, ` +
      `least ${format(Math.min(...known))}, most ${format(Math.max(...known))}`
    : `${label}: nothing yet`;
  return (
    <canvas
      className="sparkline"
      ref={canvas}
      style={{ width, height }}
      role="img"
      aria-label={words}
    />
  );
}

function line(
  context: CanvasRenderingContext2D,
  values: readonly (number | null)[],
  width: number,
  height: number,
  stroke: string,
): void {
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (value === null) continue;
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  if (values.length < 2 || least === Number.POSITIVE_INFINITY) return;
  const span = most - least;
  const top = 2;
  const tall = height - 4;
  const y = (value: number) => (span > 0 ? top + tall * (1 - (value - least) / span) : height / 2);
  context.beginPath();
  let isDrawing = false;
  values.forEach((value, i) => {
    if (value === null) {
      isDrawing = false;
      return;
    }
    const x = (i / (values.length - 1)) * (width - 2) + 1;
    if (isDrawing) context.lineTo(x, y(value));
    else context.moveTo(x, y(value));
    isDrawing = true;
  });
  context.strokeStyle = stroke;
  context.lineWidth = 1.4;
  context.lineJoin = "round";
  context.stroke();
}
