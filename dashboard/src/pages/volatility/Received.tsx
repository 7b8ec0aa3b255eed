/** Every received volatility by strike and expiry: the table that says all that the drawings show. */

import { useMemo } from "react";
import { useCell } from "../../data/hooks";
import { isDark, paint } from "../../shell/theme";
import { expiryText, type Range, strikeText, untilText } from "./frame";
import { colourAt, STOPS, tintOf } from "./ramp";
import type { Smile } from "./smile";

export function Received({
  smiles,
  volatilities,
}: {
  smiles: readonly Smile[];
  volatilities: Range;
}) {
  useCell(paint);
  const stops = STOPS[isDark() ? "dark" : "light"];
  const columns = useMemo(
    () => smiles.map((smile) => new Map(smile.strikes.map((each) => [each.strike, each]))),
    [smiles],
  );
  const strikes = useMemo(
    () =>
      [...new Set(smiles.flatMap((smile) => smile.strikes.map((each) => each.strike)))].sort(
        (a, b) => a - b,
      ),
    [smiles],
  );
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by keyboard
    <section className="received" aria-label="Received volatilities" tabIndex={0}>
      <table className="table">
        <caption className="sr-only">
          Received volatilities in per cent a year, by strike in USD and expiry
        </caption>
        <thead>
          <tr>
            <th scope="col" className="num">
              Strike <span className="unit">USD</span>
            </th>
            {smiles.map((smile) => (
              <th key={smile.expiryUs} scope="col" className="num">
                {expiryText(smile.expiryUs)}
                <br />
                <span className="unit">in {untilText(smile.years)}, % a year</span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {strikes.map((strike) => (
            <tr key={strike}>
              <th scope="row" className="num">
                {strikeText(strike)}
              </th>
              {columns.map((column, at) => {
                const listed = column.get(strike);
                const key = smiles[at]?.expiryUs ?? at;
                if (!listed) return <td key={key} />;
                if (listed.volatility === null) {
                  return (
                    <td key={key} className="num muted">
                      not known
                    </td>
                  );
                }
                const tint = tintOf(colourAt(listed.volatility, volatilities, stops));
                return (
                  <td key={key} className="num" style={{ background: tint }}>
                    {(listed.volatility * 100).toFixed(2)}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
