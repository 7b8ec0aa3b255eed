/** A chart of ECharts (bars, heat maps, lines), fetched when first shown. */

import type { EChartsCoreOption, EChartsType } from "echarts/core";
import { useEffect, useRef, useState } from "react";
import { useCell } from "../data/hooks";
import { colour, paint } from "../shell/theme";
import { useSize } from "./useSize";

/** Colours of the theme for building an option. */
export interface Palette {
  text: string;
  muted: string;
  line: string;
  panel: string;
  raised: string;
  accent: string;
  good: string;
  doubt: string;
  bad: string;
  series: string[];
}

function palette(): Palette {
  const [text, muted, line, panel, raised, accent, good, doubt, bad] = [
    "text",
    "muted",
    "line",
    "panel",
    "raised",
    "accent",
    "good",
    "doubt",
    "bad",
  ].map(colour) as [string, string, string, string, string, string, string, string, string];
  const series = [1, 2, 3, 4, 5, 6].map((n) => colour(`series-${n}`));
  return { text, muted, line, panel, raised, accent, good, doubt, bad, series };
}

/**
 * option: built from the colours of the theme, anew when they or `depends` change. Tooltips are painted on
 * the canvas: ECharts writes those of HTML with style attributes, which the content policy forbids.
 */
export function EChart({
  label,
  option,
  depends,
  height = 260,
  onClick,
}: {
  /** What the chart shows, in words: the alternative for those who do not see it. */
  label: string;
  option: (colours: Palette) => EChartsCoreOption;
  /** What the option is built from. */
  depends: unknown;
  height?: number;
  onClick?: (event: { dataIndex: number; value: unknown; name: string }) => void;
}) {
  const box = useRef<HTMLDivElement>(null);
  const inner = useRef<HTMLDivElement>(null);
  const [chart, setChart] = useState<EChartsType | null>(null);
  const size = useSize(box);
  const painted = useCell(paint);
  const clicked = useRef(onClick);
  clicked.current = onClick;
  const isThere = size.width > 0;

  useEffect(() => {
    if (!isThere) return;
    let made: EChartsType | null = null;
    let isHere = true;
    void import("./echarts").then(({ init }) => {
      if (!isHere || !inner.current) return;
      made = init(inner.current, null, { renderer: "canvas" });
      made.on("click", (event) => clicked.current?.(event as never));
      setChart(made);
    });
    return () => {
      isHere = false;
      made?.dispose();
      setChart(null);
    };
  }, [isThere]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `depends` stands for option, `painted` for colours
  useEffect(() => {
    if (!chart) return;
    const colours = palette();
    chart.setOption({ ...base(colours), ...option(colours) }, { notMerge: true });
  }, [chart, depends, painted]);
  useEffect(() => {
    if (size.width > 0) chart?.resize({ width: size.width, height });
  }, [chart, size.width, height]);

  return (
    <div className="chart" ref={box} style={{ height }} role="img" aria-label={label}>
      <div ref={inner} />
    </div>
  );
}

function base(colours: Palette): EChartsCoreOption {
  const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
  return {
    animation: !isStill,
    animationDuration: 200,
    animationDurationUpdate: 200,
    color: colours.series,
    textStyle: {
      color: colours.text,
      fontFamily: 'system-ui, "Noto Sans", sans-serif',
      fontSize: 11,
    },
    grid: { left: 8, right: 12, top: 16, bottom: 8, containLabel: true },
    tooltip: tooltip(colours),
  };
}

/** The tooltip that complies with the content policy; spread it when an option needs more. */
export function tooltip(colours: Palette): object {
  return {
    renderMode: "richText",
    confine: true,
    backgroundColor: colours.raised,
    borderColor: colours.line,
    borderWidth: 1,
    padding: [6, 9],
    textStyle: { color: colours.text, fontSize: 11 },
  };
}

/** An axis in the colours of the theme. */
export function axis(colours: Palette, more: object = {}): object {
  return {
    axisLine: { lineStyle: { color: colours.line } },
    axisTick: { lineStyle: { color: colours.line } },
    axisLabel: { color: colours.muted, fontSize: 11 },
    nameTextStyle: { color: colours.muted, fontSize: 11 },
    splitLine: { lineStyle: { color: colours.line } },
    ...more,
  };
}
