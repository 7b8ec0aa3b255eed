/** The smiles: received volatilities as marks, the fitted curve as a line where there is one, the forward marked. */

import { useMemo, useState } from "react";
import { signed } from "../../format/numbers";
import { Panel } from "../../parts";
import { Choice } from "./Choice";
import {
  AXES,
  expiryText,
  percentText,
  type Range,
  strikeText,
  tickText,
  untilText,
  volatilityText,
} from "./frame";
import { type Mark, Plot } from "./Plot";
import { type AxisKind, deltaOf, type Point, placeOn, type Smile, termOf } from "./smile";

const ALL = 0;
const DELTAS: Range = [0, 1];

export function Smiles({
  smiles,
  volatilities,
}: {
  smiles: readonly Smile[];
  volatilities: Range;
}) {
  const [kind, setKind] = useState<AxisKind>("moneyness");
  const [wished, setWished] = useState(ALL);
  const chosen = smiles.find((smile) => smile.expiryUs === wished);
  const axis = AXES.find((each) => each.kind === kind);
  const fitted = smiles.filter((smile) => smile.curve.length > 1).length;
  return (
    <Panel title="Smiles" note={`volatility a year by ${axis?.name.toLowerCase()}, ${axis?.unit}`}>
      <div className="volatility-tools">
        <Choice
          label="Axis"
          options={AXES.map((each) => ({ value: each.kind, text: each.name }))}
          chosen={kind}
          onChoose={setKind}
        />
        <select
          className="input"
          aria-label="Expiry"
          value={chosen ? chosen.expiryUs : ALL}
          onChange={(event) => setWished(Number(event.target.value))}
        >
          <option value={ALL}>All {smiles.length} expiries</option>
          {smiles.map((smile) => (
            <option key={smile.expiryUs} value={smile.expiryUs}>
              {expiryText(smile.expiryUs)}
            </option>
          ))}
        </select>
        <ul className="volatility-key muted">
          <li>
            <i className="key-mark" /> received
          </li>
          {fitted > 0 && (
            <li>
              <i className="key-line" /> fitted curve, in use
            </li>
          )}
          {fitted < smiles.length && (
            <li>
              <i className="key-help" /> joined; no curve is fitted
            </li>
          )}
          <li>
            <i className="key-upright" /> {kind === "delta" ? "delta ½" : "forward"}
          </li>
        </ul>
      </div>
      <div className={chosen ? "smiles is-one" : "smiles"}>
        {(chosen ? [chosen] : smiles).map((smile) => (
          <SmilePlot
            key={smile.expiryUs}
            smile={smile}
            kind={kind}
            volatilities={volatilities}
            height={chosen ? 300 : 150}
          />
        ))}
      </div>
    </Panel>
  );
}

function SmilePlot({
  smile,
  kind,
  volatilities,
  height,
}: {
  smile: Smile;
  kind: AxisKind;
  volatilities: Range;
  height: number;
}) {
  const marks = useMemo(() => marksOf(smile, kind), [smile, kind]);
  const lines = smile.pieces.map((piece) => lineOf(smile, kind, piece));
  const isFitted = smile.curve.length > 1;
  const { atTheMoney } = termOf(smile);
  const upright = { moneyness: 0, strike: smile.forward, delta: 0.5 }[kind];
  return (
    <figure className="smile">
      <figcaption>
        <strong>{expiryText(smile.expiryUs)}</strong>
        <span className="muted"> in {untilText(smile.years)}</span>
        <span className="smile-forward muted">
          forward <span className="num">{strikeText(smile.forward)}</span> USD
        </span>
      </figcaption>
      {marks.length + smile.curve.length === 0 ? (
        <p className="muted">No volatility is known.</p>
      ) : (
        <Plot
          label={`Smile of ${expiryText(smile.expiryUs)}: ${smile.received.length} received volatilities, at the money ${atTheMoney === null ? "not known" : volatilityText(atTheMoney)}, ${isFitted ? "with a fitted curve" : "no curve is fitted"}. The table below has each.`}
          marks={marks}
          lines={isFitted ? lines : []}
          dashed={isFitted ? [] : lines}
          upright={{
            x: upright,
            word: kind === "delta" ? "delta ½" : `forward ${strikeText(smile.forward)} USD`,
          }}
          {...(kind === "delta" && { xRange: DELTAS })}
          yRange={volatilities}
          xText={(tick, ticks) => tickText(kind, tick, ticks)}
          yText={percentText}
          isTurned={kind === "delta"}
          height={height}
        />
      )}
    </figure>
  );
}

function marksOf(smile: Smile, kind: AxisKind): Mark[] {
  return smile.received.flatMap((point) => {
    const x = placeOn(kind, smile, point);
    if (x === null) return [];
    const delta = deltaOf(smile, point);
    return [
      {
        x,
        y: point.volatility,
        words: [
          `${volatilityText(point.volatility)} a year, received`,
          `strike ${strikeText(point.strike)} USD, ln ${signed(point.moneyness, 3)}`,
          delta === null
            ? "delta not known"
            : `delta of the call ${delta.toFixed(3)}, put ${signed(delta - 1, 3)}`,
        ],
      },
    ];
  });
}

function lineOf(smile: Smile, kind: AxisKind, piece: readonly Point[]): { x: number; y: number }[] {
  return piece.flatMap((point) => {
    const x = placeOn(kind, smile, point);
    return x === null ? [] : [{ x, y: point.volatility }];
  });
}
