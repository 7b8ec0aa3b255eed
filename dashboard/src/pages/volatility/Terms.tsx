/** By expiry: volatility at the money, risk reversal and butterfly at a delta of 25. */

import { fixed, signed } from "../../format/numbers";
import { Panel } from "../../parts";
import {
  decimalsOf,
  expiryText,
  percentText,
  type Range,
  strikeText,
  untilText,
  volatilityText,
} from "./frame";
import { Plot } from "./Plot";
import type { Point, Term } from "./smile";

const NOT_KNOWN = "not known";

/** At-the-money volatility over the square root of days: near expiries keep apart. */
export function TermPlot({ terms, volatilities }: { terms: readonly Term[]; volatilities: Range }) {
  const known = terms.flatMap((term) =>
    term.atTheMoney === null
      ? []
      : [{ x: Math.sqrt(term.smile.years * 365), y: term.atTheMoney, term }],
  );
  const told = known.map(
    ({ term, y }) => `${expiryText(term.smile.expiryUs)} ${volatilityText(y)}`,
  );
  return (
    <Panel title="Term structure" note="volatility a year at the forward, by days to expiry">
      {known.length === 0 ? (
        <p className="muted">Not known: no smile reaches its forward on both sides.</p>
      ) : (
        <Plot
          label={`Volatility at the money by expiry: ${told.join(", ")}`}
          marks={known.map(({ x, y, term }) => ({
            x,
            y,
            words: [
              `${volatilityText(y)} a year at the money`,
              `${expiryText(term.smile.expiryUs)}, in ${untilText(term.smile.years)}`,
              `forward ${strikeText(term.smile.forward)} USD`,
            ],
          }))}
          lines={[]}
          dashed={[known]}
          xRange={[0, Math.ceil(Math.max(...known.map(({ x }) => x)))]}
          {...(known.length < 2 && { yRange: volatilities })}
          xText={(tick) => `${fixed(tick * tick)} d`}
          yText={percentText}
          height={190}
        />
      )}
    </Panel>
  );
}

/** Risk reversal and butterfly by expiry, each on its own axis. */
export function WingPlots({ terms }: { terms: readonly Term[] }) {
  return (
    <Panel title="Skew at 25 delta" note="points of volatility a year, by days to expiry">
      <WingPlot name="Risk reversal" terms={terms} of={(term) => term.riskReversal} />
      <WingPlot name="Butterfly" terms={terms} of={(term) => term.butterfly} />
    </Panel>
  );
}

function WingPlot({
  name,
  terms,
  of,
}: {
  name: string;
  terms: readonly Term[];
  of: (term: Term) => number | null;
}) {
  const known = terms.flatMap((term) => {
    const y = of(term);
    return y === null ? [] : [{ x: Math.sqrt(term.smile.years * 365), y: y * 100, term }];
  });
  const told = known.map(({ term, y }) => `${expiryText(term.smile.expiryUs)} ${signed(y, 2)}`);
  return (
    <figure className="smile">
      <figcaption className="muted">{name}</figcaption>
      {known.length === 0 ? (
        <p className="muted">Not known: no smile reaches a delta of 25 on both sides.</p>
      ) : (
        <Plot
          label={`${name} by expiry, in points: ${told.join(", ")}`}
          marks={known.map(({ x, y, term }) => ({
            x,
            y,
            words: [
              `${signed(y, 2)} points`,
              `${expiryText(term.smile.expiryUs)}, in ${untilText(term.smile.years)}`,
            ],
          }))}
          lines={[]}
          dashed={[known]}
          xRange={[0, Math.ceil(Math.max(...known.map(({ x }) => x)))]}
          xText={(tick) => `${fixed(tick * tick)} d`}
          yText={(tick, ticks) => signed(tick, decimalsOf(ticks))}
          height={120}
        />
      )}
    </figure>
  );
}

export function TermTable({ terms }: { terms: readonly Term[] }) {
  return (
    <Panel title="By expiry" note="25 delta of Black-76, to the forward, undiscounted" isFlush>
      <div className="scroll-x">
        <table className="table">
          <caption className="sr-only">
            Volatility at the money, risk reversal and butterfly by expiry
          </caption>
          <thead>
            <tr>
              <th scope="col">Expiry</th>
              <th scope="col" className="num">
                In
              </th>
              <th scope="col" className="num">
                Forward <span className="unit">USD</span>
              </th>
              <th scope="col" className="num">
                At the money <span className="unit">a year</span>
              </th>
              <th scope="col" className="num">
                25Δ put <span className="unit">a year</span>
              </th>
              <th scope="col" className="num">
                25Δ call <span className="unit">a year</span>
              </th>
              <th
                scope="col"
                className="num"
                title="volatility of the 25-delta call less that of the put"
              >
                Risk reversal <span className="unit">points</span>
              </th>
              <th
                scope="col"
                className="num"
                title="mean volatility of the 25-delta call and put less that at the money"
              >
                Butterfly <span className="unit">points</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {terms.map((term) => (
              <tr key={term.smile.expiryUs}>
                <th scope="row">{expiryText(term.smile.expiryUs)}</th>
                <td className="num">{untilText(term.smile.years)}</td>
                <td className="num">{strikeText(term.smile.forward)}</td>
                <Known value={term.atTheMoney === null ? null : volatilityText(term.atTheMoney)} />
                <Wing point={term.put} />
                <Wing point={term.call} />
                <Known value={points(term.riskReversal)} />
                <Known value={points(term.butterfly)} />
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}

/** Percentage points of volatility, with their sign. */
const points = (difference: number | null): string | null =>
  difference === null ? null : signed(difference * 100, 2);

function Known({ value }: { value: string | null }) {
  return value === null ? (
    <td className="num muted" title="the strikes do not reach">
      {NOT_KNOWN}
    </td>
  ) : (
    <td className="num">{value}</td>
  );
}

function Wing({ point }: { point: Point | null }) {
  if (point === null) return <Known value={null} />;
  return (
    <td className="num" title={`at a strike of ${strikeText(point.strike)} USD`}>
      {volatilityText(point.volatility)}
    </td>
  );
}
