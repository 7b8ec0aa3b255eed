/** What the unit would win or lose at moved prices and volatilities, and which cell binds. */

import { useMemo, useState } from "react";
import { fixed, NONE, price, signed } from "../../format/numbers";
import { axis, EChart, Empty, type Palette, Shown, tooltip } from "../../parts";
import type { UnderlyingMatrix, UnitMatrix } from "../../wire";
import { useRefreshed } from "./asking";
import {
  byLoss,
  type Cell,
  horizonWords,
  type Sheet,
  sheetsOf,
  TOTAL,
  VOLATILITIES,
  VOLATILITY_WORDS,
} from "./grid";
import { useIsSeen } from "./Section";
import { useUnit } from "./unit";
import { Wait } from "./Wait";

const EVERY_MS = 2_000;

export function Heat() {
  const { unit } = useUnit();
  const isSeen = useIsSeen();
  const asked = useRefreshed(
    "private/pme/simulate",
    { account: unit },
    { everyMs: EVERY_MS, isHeld: !isSeen },
  );
  return (
    <>
      <Wait asked={asked} />
      <Shown
        data={asked.result}
        error={asked.error}
        again={asked.again}
        what="the scenario grid"
        lines={7}
      >
        {(found) =>
          !found.unit ? (
            <Empty title="No grid of cells">
              This method states its scenarios as vectors; see the parts of the requirement.
            </Empty>
          ) : found.unit.underlyings.length === 0 ? (
            <Empty title="No scenario can move this unit">It holds its currency alone.</Empty>
          ) : (
            <Grid matrix={found.unit} />
          )
        }
      </Shown>
    </>
  );
}

function Grid({ matrix }: { matrix: UnitMatrix }) {
  const ordered = byLoss(matrix);
  const first = ordered[0]?.underlying ?? TOTAL;
  const [wished, setWished] = useState<string | null>(null);
  const [isTable, setTable] = useState(false);
  const isKnown = wished === TOTAL || ordered.some((each) => each.underlying === wished);
  const chosen = wished !== null && isKnown ? wished : first;
  const own = ordered.find((each) => each.underlying === chosen) ?? null;
  const sheets = useMemo(() => sheetsOf(matrix, chosen), [matrix, chosen]);
  return (
    <>
      <div className="account-tools">
        <fieldset className="filters-group account-choice" aria-label="Underlying">
          {ordered.map((each) => (
            <button
              key={each.underlying}
              type="button"
              className="button is-quiet"
              aria-pressed={each.underlying === chosen}
              onClick={() => setWished(each.underlying)}
            >
              {each.underlying}
            </button>
          ))}
          {ordered.length > 1 && (
            <button
              type="button"
              className="button is-quiet"
              aria-pressed={chosen === TOTAL}
              onClick={() => setWished(TOTAL)}
            >
              Total
            </button>
          )}
        </fieldset>
        <button
          type="button"
          className="button account-push"
          aria-pressed={isTable}
          onClick={() => setTable(!isTable)}
        >
          As a table
        </button>
      </div>
      <p className="account-say" data-testid="binding">
        {matrix.requirement_by === "tier" ? (
          <>
            <strong>The requirement here is by tier,</strong> from the notional of each position: no
            cell of this map decides it. It shows what the positions would win or lose.
          </>
        ) : (
          <Binding own={own} />
        )}
      </p>
      {sheets.map((sheet) => (
        <div key={sheet.days}>
          {sheets.length > 1 && <h3>P&amp;L {horizonWords(sheet.days)}</h3>}
          {isTable ? (
            <Table sheet={sheet} name={chosen || "all underlyings"} />
          ) : (
            <Chart sheet={sheet} own={own} />
          )}
        </div>
      ))}
      <p className="muted account-pad">
        P&amp;L in USD {sheets.length === 1 && horizonWords(sheets[0]?.days ?? 0)}, from losses
        (red) to gains (green); the outermost moves count in part.
        {matrix.requirement_by === "scenario" && " The cell with the heavy frame binds."}
      </p>
    </>
  );
}

function Binding({ own }: { own: UnderlyingMatrix | null }) {
  if (!own) {
    return (
      <>
        All underlyings in the same cell, for reading: the requirement adds the worst cell of each
        underlying, wherever it is.
      </>
    );
  }
  if (own.worst === null) return <>No cell is a loss: {own.underlying} requires nothing here.</>;
  return (
    <>
      Binding for {own.underlying}: <strong>{own.words}</strong>, a loss of{" "}
      <strong>{fixed(own.worst_loss, 2)}</strong> USD.
    </>
  );
}

const moveText = (move: { share: number; move: number | null }): string =>
  `${signed(Number(((move.move ?? move.share) * 100).toFixed(1)), isWhole(move.move ?? move.share) ? 0 : 1)} %`;

const isWhole = (share: number): boolean => Math.abs(share * 100 - Math.round(share * 100)) < 0.05;

function Chart({ sheet, own }: { sheet: Sheet; own: UnderlyingMatrix | null }) {
  const words = own
    ? `P&L of ${own.underlying} by price and volatility. Worst: ${own.words}, ${fixed(-(own.worst_loss ?? 0), 2)} USD`
    : "P&L of all underlyings by price and volatility";
  return (
    <EChart
      label={`${words}. The same as a table: press As a table.`}
      height={own ? 216 : 200}
      depends={sheet}
      option={(colours) => mapOption(sheet, own, colours)}
    />
  );
}

function mapOption(
  sheet: Sheet,
  own: UnderlyingMatrix | null,
  colours: Palette,
): Record<string, unknown> {
  const cells: { x: number; y: number; cell: Cell }[] = [];
  VOLATILITIES.forEach((volatility, row) => {
    sheet.rows[volatility].forEach((cell, x) => {
      if (cell) cells.push({ x, y: VOLATILITIES.length - 1 - row, cell });
    });
  });
  const most = Math.max(1e-9, ...cells.map(({ cell }) => Math.abs(cell.profit) || 0));
  return {
    animation: false,
    grid: { left: 4, right: 4, top: 6, bottom: 4, containLabel: true },
    xAxis: axis(colours, {
      type: "category",
      data: sheet.moves.map((move) => moveText(move)),
      name: own ? undefined : "share of each range",
      nameLocation: "middle",
      nameGap: 24,
      axisTick: { show: false },
      splitLine: { show: false },
      axisLabel: { color: colours.muted, fontSize: 11, interval: "auto", hideOverlap: true },
    }),
    yAxis: axis(colours, {
      type: "category",
      data: [...VOLATILITIES].reverse().map((each) => `Vol. ${each}`),
      axisTick: { show: false },
      splitLine: { show: false },
    }),
    tooltip: {
      ...tooltip(colours),
      formatter: (event: { data: { cell: Cell; x: number; y: number } }) =>
        tipText(event.data, sheet, own),
    },
    series: [
      {
        type: "heatmap",
        data: cells.map(({ x, y, cell }) => ({
          value: [x, y, cell.profit],
          cell,
          x,
          y,
          itemStyle: {
            color: tint(cell.profit / most, colours),
            borderColor: colours.panel,
            borderWidth: 1,
          },
        })),
        // On a narrow screen the cells are narrower than their numbers: these stand in the table.
        label: {
          show: innerWidth > 720,
          color: colours.text,
          fontSize: 10,
          formatter: (event: { data: { cell: Cell } }) => short(event.data.cell.profit),
        },
        labelLayout: { hideOverlap: true },
        emphasis: { itemStyle: { borderColor: colours.accent, borderWidth: 2 } },
      },
      {
        // The frame of the cell that binds, above its neighbours.
        type: "heatmap",
        silent: true,
        z: 5,
        data: cells
          .filter(({ cell }) => cell.isBinding)
          .map(({ x, y, cell }) => ({
            value: [x, y, cell.profit],
            itemStyle: { color: "transparent", borderColor: colours.text, borderWidth: 3 },
          })),
      },
    ],
  };
}

function tipText(
  { cell, x, y }: { cell: Cell; x: number; y: number },
  sheet: Sheet,
  own: UnderlyingMatrix | null,
): string {
  const move = sheet.moves[x] as Sheet["moves"][number];
  const volatility = VOLATILITIES[VOLATILITIES.length - 1 - y] ?? "same";
  const at = move.price === null ? "" : ` (${price(move.price)} USD)`;
  return [
    `${own ? own.underlying : "All"} ${moveText(move)}${at}`,
    `volatility ${volatility === "same" ? "unchanged" : volatility}, ${horizonWords(sheet.days)}`,
    `P&L ${fixed(cell.profit, 2)} USD${cell.weight < 1 ? `, counted at ${fixed(cell.weight * 100)} %` : ""}`,
    ...(cell.isBinding ? ["this cell binds"] : []),
  ].join("\n");
}

/** Three digits, for a cell: −36.5k, 128, 0.42. */
function short(value: number): string {
  const size = Math.abs(value);
  for (const [scale, word] of [
    [1e9, "B"],
    [1e6, "M"],
    [1e3, "k"],
  ] as const) {
    if (size >= scale) return fixed(value / scale, size >= 100 * scale ? 0 : 1) + word;
  }
  return fixed(value, size >= 100 || size === 0 ? 0 : size >= 1 ? 1 : 2);
}

/** A ground between the panel's and red or green, on which the text stays readable. */
function tint(share: number, colours: Palette): string {
  const strength = Math.round(Math.min(1, Math.abs(share)) ** 0.6 * 46);
  return mixed(share < 0 ? colours.bad : colours.good, colours.raised, strength / 100);
}

function mixed(over: string, under: string, share: number): string {
  const [a, b] = [channels(over), channels(under)];
  const each = a.map((value, i) => Math.round(value * share + (b[i] ?? 0) * (1 - share)));
  return `rgb(${each.join(",")})`;
}

const channels = (colour: string): number[] =>
  [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));

function Table({ sheet, name }: { sheet: Sheet; name: string }) {
  return (
    <div className="scroll-x">
      <table className="table grid-table">
        <caption className="sr-only">
          P&amp;L of {name} {horizonWords(sheet.days)}, in USD
        </caption>
        <thead>
          <tr>
            <th scope="col">Price</th>
            {VOLATILITIES.map((volatility) => (
              <th key={volatility} scope="col" className="num">
                {VOLATILITY_WORDS[volatility]}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {sheet.moves.map((move, x) => (
            <tr key={move.share}>
              <th scope="row">
                {moveText(move)}{" "}
                {move.price !== null && <span className="unit">{price(move.price)} USD</span>}
              </th>
              {VOLATILITIES.map((volatility) => {
                const cell = sheet.rows[volatility][x];
                if (!cell) {
                  return (
                    <td key={volatility} className="num muted">
                      {NONE}
                    </td>
                  );
                }
                return (
                  <td key={volatility} className={`num ${cell.profit < 0 ? "bad" : ""}`}>
                    {cell.isBinding && <strong>binds </strong>}
                    {signed(cell.profit, 2)}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
