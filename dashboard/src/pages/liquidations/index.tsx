/** The liquidation map: what would be liquidatable if prices moved, and what the moves would cost. */

import "./liquidations.css";
import { useState } from "react";
import { useMethod } from "../../data/hooks";
import { compact, compactMoney, count, percent, signed } from "../../format/numbers";
import { instant } from "../../format/times";
import { type Figure, KeyFigures, Panel, SelectField, Shown } from "../../parts";
import type { LiquidationMap } from "../../wire";
import { Bars } from "./Bars";
import { Levels } from "./Levels";
import { nearest, shareOfMove, titleOf } from "./levels";

const REACHES = [
  { value: "100000", text: "±10 %" },
  { value: "300000", text: "±30 %" },
  { value: "600000", text: "±60 %" },
];
const ALL = "";
const EVERY_MS = 20_000;
const APART_EVERY_MS = 60_000;
const TIMEOUT_MS = 120_000;

export default function Liquidations() {
  const [reach, setReach] = useState("300000");
  const [chosen, setChosen] = useState(ALL);
  const apart = useMethod(
    "private/liquidation_map",
    { reach_ppm: Number(reach), levels: 41 },
    { everyMs: APART_EVERY_MS, timeoutMs: TIMEOUT_MS },
  );
  const together = useMethod(
    "private/liquidation_map",
    { reach_ppm: Number(reach), levels: 41, together: true },
    { everyMs: EVERY_MS, timeoutMs: TIMEOUT_MS },
  );
  const names = apart.result?.map((map) => map.underlyings[0] ?? "") ?? [];
  const shown = chosen === ALL ? together : apart;
  const map =
    chosen === ALL
      ? (together.result?.[0] ?? null)
      : (apart.result?.find((each) => each.underlyings[0] === chosen) ?? null);
  return (
    <div className="liquidations">
      <h1 className="sr-only">Liquidation map</h1>
      <div className="liquidations-asked">
        <SelectField
          label="What moves"
          value={chosen}
          onChange={(event) => setChosen(event.target.value)}
          options={[
            { value: ALL, text: "All underlyings together" },
            ...names.map((name) => ({ value: name, text: `${name} alone` })),
          ]}
        />
        <SelectField
          label="How far"
          value={reach}
          onChange={(event) => setReach(event.target.value)}
          options={REACHES}
        />
        <p className="muted liquidations-about">
          {shown.isAsking && map === null
            ? "Working it out in the second process…"
            : map &&
              `as of event ${count(map.as_of_seq)}, ${instant(map.time_us)}; held still: ${map.held_still}`}
        </p>
      </div>
      <Shown data={map} error={shown.error} again={shown.again} what="the map" lines={14}>
        {(found) => <Found map={found} />}
      </Shown>
      {apart.result && <Underlyings maps={apart.result} onChoose={setChosen} chosen={chosen} />}
    </div>
  );
}

function Found({ map }: { map: LiquidationMap }) {
  return (
    <>
      <KeyFigures label="The map in numbers" figures={figures(map)} />
      <Panel
        title={`Notional to be liquidated, ${titleOf(map)}`}
        note="USD, by move of the price; each bar is what the last step adds"
      >
        <p className="legend">
          <span>
            <i style={{ background: "var(--series-5)" }} />
            longs
          </span>
          <span>
            <i style={{ background: "var(--series-1)" }} />
            shorts
          </span>
          <span>
            <i style={{ background: "var(--series-3)" }} />
            so far (right)
          </span>
        </p>
        <Bars map={map} />
      </Panel>
      <Panel title="Level by level" note="cumulative from here" isFlush>
        <Levels map={map} />
      </Panel>
    </>
  );
}

function figures(map: LiquidationMap): Figure[] {
  const down = nearest(map, -1);
  const up = nearest(map, 1);
  const lowest = map.levels[0];
  const highest = map.levels[map.levels.length - 1];
  return [
    {
      name: "Nearest below",
      value: down ? signed(shareOfMove(down) * 100, 1) : "none",
      note: down ? `% move: ${count(down.cumulative.units)} units` : "within this reach",
    },
    {
      name: "Nearest above",
      value: up ? signed(shareOfMove(up) * 100, 1) : "none",
      note: up ? `% move: ${count(up.cumulative.units)} units` : "within this reach",
    },
    ...[lowest, highest].flatMap((level) =>
      level
        ? [
            {
              name: `At ${signed(shareOfMove(level) * 100, 0)} %`,
              value: (
                <span>
                  {compact(level.cumulative.notional_usd_micro / 1e6)}
                  <span className="unit"> USD</span>
                </span>
              ),
              note: `${count(level.cumulative.units)} of ${count(map.units)} units; shortfall ${compactMoney(level.at.shortfall_micro)}`,
            },
          ]
        : [],
    ),
    {
      name: "Protected",
      value: map.protected.length === 0 ? "none" : map.protected.join(", "),
      note: "nobody is liquidated on these",
    },
  ];
}

function Underlyings({
  maps,
  chosen,
  onChoose,
}: {
  maps: LiquidationMap[];
  chosen: string;
  onChoose: (name: string) => void;
}) {
  return (
    <Panel title="Each underlying alone" note="notional that a move would liquidate, USD" isFlush>
      <div className="scroll-x">
        <table className="table">
          <thead>
            <tr>
              <th scope="col">Underlying</th>
              {[-0.3, -0.2, -0.1, 0.1, 0.2, 0.3].map((move) => (
                <th key={move} scope="col" className="num">
                  {signed(move * 100, 0)} %
                </th>
              ))}
              <th scope="col" className="num">
                Nearest below
              </th>
              <th scope="col" className="num">
                Nearest above
              </th>
            </tr>
          </thead>
          <tbody>
            {maps.map((map) => {
              const name = map.underlyings[0] ?? "";
              const down = nearest(map, -1);
              const up = nearest(map, 1);
              return (
                <tr key={name} className={name === chosen ? "is-chosen" : undefined}>
                  <th scope="row">
                    <button type="button" className="link" onClick={() => onChoose(name)}>
                      {name}
                    </button>
                  </th>
                  {[-0.3, -0.2, -0.1, 0.1, 0.2, 0.3].map((move) => (
                    <td key={move} className="num">
                      {atMove(map, move)}
                    </td>
                  ))}
                  <td className="num">{down ? percent(shareOfMove(down), 1) : "–"}</td>
                  <td className="num">{up ? percent(shareOfMove(up), 1) : "–"}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}

/** The cumulative notional at a move, a dash where the map does not reach so far. */
function atMove(map: LiquidationMap, move: number): string {
  const ppm = Math.round(move * 1e6);
  const level = map.levels.find((each) => Math.abs(each.move_ppm - ppm) <= 1);
  return level ? compact(level.cumulative.notional_usd_micro / 1e6) : "–";
}
