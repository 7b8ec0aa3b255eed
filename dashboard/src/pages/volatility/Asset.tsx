/** One asset: its surface, its smiles, its term structure, and the table of all of it. */

import { useMemo, useState } from "react";
import { useCell, useChannel } from "../../data/hooks";
import { count, fixed, percent, price } from "../../format/numbers";
import { instant } from "../../format/times";
import { Age, Empty, type Figure, KeyFigures, Panel, Shown, VerdictChip } from "../../parts";
import { isDark, paint } from "../../shell/theme";
import type { AssetData, SurfaceData } from "../../wire";
import { Choice } from "./Choice";
import { whyOf } from "./condition";
import { decimalsOf, expiryText, type Range, shareOf, untilText, volatilityText } from "./frame";
import { type Across, latticeOf } from "./lattice";
import { Received } from "./Received";
import { STOPS } from "./ramp";
import { Smiles } from "./Smiles";
import { Surface } from "./Surface";
import { type Smile, smilesOf, type Term, termOf } from "./smile";
import { TermPlot, TermTable, WingPlots } from "./Terms";

export function Asset({ asset }: { asset: string }) {
  const { data, word } = useChannel(`surface.${asset}.1000ms`);
  const health = useChannel("health.1000ms").data;
  const own = health?.assets.find((each) => each.asset === asset) ?? null;
  return (
    <Shown data={data} word={word} what={`the volatilities of ${asset}`} lines={14}>
      {(surface) => (
        <Drawn
          surface={surface}
          own={own}
          nowUs={Math.max(health?.time_us ?? 0, surface.time_us)}
        />
      )}
    </Shown>
  );
}

function Drawn({
  surface,
  own,
  nowUs,
}: {
  surface: SurfaceData;
  own: AssetData | null;
  nowUs: number;
}) {
  const smiles = useMemo(() => smilesOf(surface), [surface]);
  const terms = useMemo(() => smiles.map(termOf), [smiles]);
  if (smiles.length === 0) {
    return (
      <Panel title={surface.asset} isFlush>
        <Empty title={`${surface.asset} has no options`}>
          No option on {surface.asset} is listed, or all have expired: there is no volatility to
          show. Its index stands at {price(surface.index_price)} USD.
        </Empty>
      </Panel>
    );
  }
  return (
    <>
      <Head surface={surface} own={own} nowUs={nowUs} smiles={smiles} terms={terms} />
      <Body asset={surface.asset} smiles={smiles} terms={terms} />
    </>
  );
}

function Head({
  surface,
  own,
  nowUs,
  smiles,
  terms,
}: {
  surface: SurfaceData;
  own: AssetData | null;
  nowUs: number;
  smiles: readonly Smile[];
  terms: readonly Term[];
}) {
  const listed = smiles.reduce((sum, smile) => sum + smile.strikes.length, 0);
  const known = smiles.reduce((sum, smile) => sum + smile.received.length, 0);
  const fitted = smiles.filter((smile) => smile.curve.length > 1).length;
  const nearest = terms[0];
  const farthest = terms.at(-1);
  const addOn = own?.implied_age_ppm ?? 0;
  const figures: Figure[] = [
    { name: `${surface.asset} index`, value: price(surface.index_price), note: "USD" },
    { name: "At the money, nearest", ...atTheMoney(nearest) },
    { name: "At the money, farthest", ...atTheMoney(farthest) },
    {
      name: "Volatilities",
      value: count(known),
      note: known === listed ? "every strike is known" : `of ${count(listed)} strikes`,
      ...(known < listed && { tone: "doubt" as const }),
    },
    {
      name: "Expiries",
      value: count(smiles.length),
      note: fitted ? `${count(fitted)} with a fitted curve` : "no curve is fitted",
    },
    {
      name: "Age add-on",
      value: percent(addOn / 1e6, 2),
      note: addOn > 0 ? "volatilities are old" : "volatilities are fresh",
      ...(addOn > 0 && { tone: "doubt" as const }),
    },
  ];
  return (
    <>
      <p className="volatility-condition">
        <VerdictChip verdict={surface.condition} />
        <span>{whyOf(surface.condition)}</span>
        <span className="muted volatility-as-of">
          changed <Age us={nowUs - surface.time_us} /> ago, as of event {count(surface.as_of_seq)},{" "}
          {instant(surface.time_us)}
        </span>
      </p>
      <KeyFigures label={`Volatilities of ${surface.asset}`} figures={figures} />
    </>
  );
}

function atTheMoney(term: Term | undefined): Pick<Figure, "value" | "note"> {
  return {
    value: term?.atTheMoney == null ? "not known" : volatilityText(term.atTheMoney),
    note: term && `a year, ${expiryText(term.smile.expiryUs)}, in ${untilText(term.smile.years)}`,
  };
}

function Body({
  asset,
  smiles,
  terms,
}: {
  asset: string;
  smiles: readonly Smile[];
  terms: readonly Term[];
}) {
  const [across, setAcross] = useState<Across>("moneyness");
  const lattice = useMemo(() => latticeOf(smiles, across), [smiles, across]);
  const { volatility } = lattice.frame;
  const table = <Received smiles={smiles} volatilities={volatility} />;
  return (
    <>
      <div className="volatility-top">
        <Panel
          title="Surface"
          note="dots: received; the mesh joins neighbours where both are known, the rest is left open"
        >
          <div className="volatility-tools">
            <Choice
              label="Across"
              options={[
                { value: "moneyness", text: "Log-moneyness" },
                { value: "strike", text: "Strike" },
              ]}
              chosen={across}
              onChoose={setAcross}
            />
            <Legend volatilities={volatility} ticks={lattice.frame.volatilityTicks} />
          </div>
          {lattice.points.length + lattice.lines.length === 0 ? (
            <Empty title="No volatility is known">Nothing has been received for {asset} yet.</Empty>
          ) : (
            <Surface
              lattice={lattice}
              smiles={smiles}
              label={toldSurface(asset, smiles, volatility)}
              fallback={table}
            />
          )}
        </Panel>
        <div className="volatility-side">
          <TermPlot terms={terms} volatilities={volatility} />
          <WingPlots terms={terms} />
        </div>
      </div>
      <TermTable terms={terms} />
      <Smiles smiles={smiles} volatilities={volatility} />
      <Panel title="Received volatilities" note="per cent a year, by strike and expiry" isFlush>
        {table}
      </Panel>
    </>
  );
}

function Legend({ volatilities, ticks }: { volatilities: Range; ticks: readonly number[] }) {
  useCell(paint);
  const stops = STOPS[isDark() ? "dark" : "light"];
  const [low, high] = volatilities;
  return (
    <div
      className="ramp"
      role="img"
      aria-label={`Colours from ${volatilityText(low)} to ${volatilityText(high)} a year`}
    >
      <i style={{ background: `linear-gradient(to right, ${stops.join(", ")})` }} />
      <div className="ramp-ticks num" aria-hidden="true">
        {ticks.map((tick) => (
          <span key={tick} style={{ left: `${100 * shareOf(tick, volatilities)}%` }}>
            {fixed(tick * 100, decimalsOf(ticks, 100))}
          </span>
        ))}
        <span className="unit">% a year</span>
      </div>
    </div>
  );
}

function toldSurface(asset: string, smiles: readonly Smile[], [low, high]: Range): string {
  const known = smiles.reduce((sum, smile) => sum + smile.received.length, 0);
  return `Implied volatility of ${asset} by strike and time to expiry: ${count(known)} received volatilities of ${smiles.length} expiries, between ${volatilityText(low)} and ${volatilityText(high)} a year. The tables below have each.`;
}
