/** Every level as a row: the alternative to the bars, and the numbers to quote. */

import { compact, compactMoney, count, price, signed } from "../../format/numbers";
import type { LiquidationMap } from "../../wire";
import { shareOfMove } from "./levels";

export function Levels({ map }: { map: LiquidationMap }) {
  const isAlone = map.underlyings.length === 1;
  return (
    <div className="scroll-x levels">
      <table className="table">
        <thead>
          <tr>
            <th scope="col" className="num">
              Move <span className="unit">%</span>
            </th>
            {isAlone && (
              <th scope="col" className="num">
                Index <span className="unit">USD</span>
              </th>
            )}
            <th scope="col" className="num">
              Units
            </th>
            <th scope="col" className="num">
              of them in full
            </th>
            <th scope="col" className="num">
              Longs <span className="unit">USD</span>
            </th>
            <th scope="col" className="num">
              Shorts <span className="unit">USD</span>
            </th>
            <th scope="col" className="num">
              Shortfall <span className="unit">{map.currency}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {map.levels.map((level) => (
            <tr key={level.move_ppm} className={level.move_ppm === 0 ? "is-chosen" : undefined}>
              <th scope="row" className="num">
                {level.move_ppm === 0 ? "now" : signed(shareOfMove(level) * 100, 1)}
              </th>
              {isAlone && (
                <td className="num">
                  {price(level.index_prices[map.underlyings[0] ?? ""] ?? null)}
                </td>
              )}
              <td className="num">{count(level.cumulative.units)}</td>
              <td className="num">{count(level.cumulative.full_units)}</td>
              <td className="num">{compact(level.cumulative.long_usd_micro / 1e6)}</td>
              <td className="num">{compact(level.cumulative.short_usd_micro / 1e6)}</td>
              <td className={`num${level.at.shortfall_micro > 0 ? " bad" : ""}`}>
                {compactMoney(level.at.shortfall_micro)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
