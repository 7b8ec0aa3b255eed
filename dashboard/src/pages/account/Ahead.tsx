/** What the unit will need later, if prices stay or move once: by horizon and by move. */

import { useMemo, useState } from "react";
import { compactMoney, money, NONE, ratio } from "../../format/numbers";
import { instant } from "../../format/times";
import { words } from "../../format/words";
import { axis, EChart, ErrorNote, type Palette, tooltip } from "../../parts";
import type { AheadRow, LookAhead } from "../../wire";
import { aheadWords, HORIZONS, horizonTitle, type Later, laterOf, MOVES_PPM } from "./ahead";
import { useOnDemand } from "./asking";
import { useUnit } from "./unit";
import { Progress } from "./Wait";

const STILL = MOVES_PPM.indexOf(0);
/** The moves whose requirement is drawn as a line. */
const DRAWN = [-100_000, 0, 100_000];

type Measure = "ratio" | "requirement" | "buffer";
const MEASURES: readonly [Measure, string][] = [
  ["ratio", "Margin ratio"],
  ["requirement", "Maintenance requirement"],
  ["buffer", "Buffer"],
];

export function Ahead() {
  const { unit } = useUnit();
  const asked = useOnDemand(
    "private/look_ahead",
    { account: unit, horizons: HORIZONS, moves_ppm: MOVES_PPM },
    120_000,
  );
  return (
    <>
      <div className="account-tools">
        <button type="button" className="button" disabled={asked.isAsking} onClick={asked.ask}>
          {asked.result ? "Look again" : "Look ahead"}
        </button>
        {!asked.result && !asked.isAsking && (
          <p className="muted">
            An hour to a week ahead and at the next expiry, each with prices moved by up to 20 %.
          </p>
        )}
      </div>
      {asked.isAsking && asked.askedAtMs !== null && (
        <Progress
          what="Moving copies of the unit through time"
          sinceMs={asked.askedAtMs}
          waitsUntilMs={asked.waitsUntilMs}
          onCancel={asked.cancel}
        />
      )}
      {asked.error && <ErrorNote error={asked.error} again={asked.ask} />}
      {asked.result && <Seen ahead={asked.result} unit={unit} />}
    </>
  );
}

function Seen({ ahead, unit }: { ahead: LookAhead; unit: string }) {
  const [measure, setMeasure] = useState<Measure>("ratio");
  const laters = useMemo(() => laterOf(ahead.rows, unit, MOVES_PPM), [ahead, unit]);
  return (
    <>
      <p className="account-say" data-testid="ahead">
        <strong>{aheadWords(laters, STILL)}</strong>{" "}
        {ahead.without_expiry.includes(unit) && "The unit holds nothing that expires."}
      </p>
      <fieldset className="filters-group account-choice" aria-label="Measure">
        {MEASURES.map(([key, name]) => (
          <button
            key={key}
            type="button"
            className="button is-quiet"
            aria-pressed={key === measure}
            onClick={() => setMeasure(key)}
          >
            {name}
          </button>
        ))}
      </fieldset>
      <Table laters={laters} measure={measure} currency={ahead.currency} />
      <h3>Maintenance requirement over time</h3>
      <p className="legend">
        {DRAWN.map((move, i) => (
          <span key={move}>
            <i style={{ background: `var(--series-${i + 1})` }} />
            {move === 0 ? "prices stay" : `prices ${moveText(move)}`}
          </span>
        ))}
      </p>
      <EChart
        label={lineWords(laters)}
        height={190}
        depends={laters}
        option={(colours) => lineOption(laters, colours)}
      />
      <p className="muted account-pad">
        As of {instant(ahead.time_us)}; {ahead.underlyings.join(", ")} move together, at once; held
        still: {ahead.held_still}.
      </p>
    </>
  );
}

function Table({
  laters,
  measure,
  currency,
}: {
  laters: readonly Later[];
  measure: Measure;
  currency: string;
}) {
  return (
    <div className="scroll-x">
      <table className="table ahead">
        <caption className="sr-only">
          {MEASURES.find(([key]) => key === measure)?.[1]} by instant and move of prices
          {measure !== "ratio" && `, ${currency}`}
        </caption>
        <thead>
          <tr>
            <th scope="col">When</th>
            {MOVES_PPM.map((move) => (
              <th key={move} scope="col" className="num">
                {moveText(move)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {laters.map((later) => (
            <tr key={later.horizon}>
              <th scope="row" title={instant(later.atUs)}>
                {horizonTitle(later.horizon)}
                {later.settled.length > 0 && (
                  <span className="unit" title={later.settled.join(", ")}>
                    {" "}
                    {later.settled.length} expired
                  </span>
                )}
              </th>
              {later.cells.map((cell, i) => (
                <Cell key={MOVES_PPM[i]} cell={cell} measure={measure} />
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const moveText = (ppm: number): string =>
  ppm === 0 ? "still" : `${ppm > 0 ? "+" : "−"}${Math.abs(ppm) / 10_000} %`;

function Cell({ cell, measure }: { cell: AheadRow | null; measure: Measure }) {
  if (!cell) return <td className="num muted">{NONE}</td>;
  const value = cell.margin_ratio === null ? null : Number(cell.margin_ratio);
  const isLow = value !== null && value < 1;
  const text =
    measure === "ratio"
      ? value === null
        ? "none"
        : ratio(value)
      : compactMoney(measure === "buffer" ? cell.buffer_micro : cell.maintenance_requirement_micro);
  const title = [
    words(cell.state),
    `ratio ${value === null ? "without requirement" : ratio(value)}`,
    `requirement ${money(cell.maintenance_requirement_micro)}`,
    `buffer ${money(cell.buffer_micro)}`,
    ...(cell.unfit.length ? [`marks kept of ${cell.unfit.join(", ")}`] : []),
  ].join("\n");
  return (
    <td className={`num ahead-cell state-${cell.state}`} title={title}>
      <span>{isLow ? <strong>{text}</strong> : text}</span>
    </td>
  );
}

function lineWords(laters: readonly Later[]): string {
  const said = laters
    .map((later) => {
      const cell = later.cells[STILL];
      return cell
        ? `${horizonTitle(later.horizon)} ${compactMoney(cell.maintenance_requirement_micro)}`
        : "";
    })
    .filter(Boolean);
  return `Maintenance requirement if prices stay: ${said.join(", ")}`;
}

function lineOption(laters: readonly Later[], colours: Palette): Record<string, unknown> {
  const names = laters.map((later) => horizonTitle(later.horizon).replace(/^In /, ""));
  // Where more has expired than at the instant before.
  const expiries = laters.filter(
    (later, i) => later.settled.length > (laters[i - 1]?.settled.length ?? 0),
  );
  return {
    grid: { left: 8, right: 18, top: 30, bottom: 8, containLabel: true },
    xAxis: axis(colours, { type: "category", data: names, splitLine: { show: false } }),
    yAxis: axis(colours, {
      type: "value",
      min: 0,
      axisLabel: {
        color: colours.muted,
        fontSize: 11,
        formatter: (value: number) => compactMoney(value),
      },
    }),
    tooltip: {
      ...tooltip(colours),
      trigger: "axis",
      valueFormatter: (value: number) => `${money(value)} USDC`,
    },
    series: DRAWN.map((move, i) => ({
      name: move === 0 ? "prices stay" : moveText(move),
      type: "line",
      data: laters.map(
        (later) => later.cells[MOVES_PPM.indexOf(move)]?.maintenance_requirement_micro ?? null,
      ),
      symbol: ["triangle", "circle", "rect"][i],
      symbolSize: 7,
      color: colours.series[i],
      ...(i === 1 && {
        markLine: {
          silent: true,
          symbol: "none",
          lineStyle: { color: colours.doubt, type: "dashed" },
          label: { color: colours.text, fontSize: 10, position: "end" },
          data: expiries.map((later) => ({
            xAxis: names[laters.indexOf(later)],
            label: { formatter: `${later.settled.length} expired` },
          })),
        },
      }),
    })),
  };
}
