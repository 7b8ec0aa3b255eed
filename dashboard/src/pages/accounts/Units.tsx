/** The table of margin units. */

import { useMemo, useRef } from "react";
import type { Amount } from "../../data/accounts";
import type { SortColumn, Wish } from "../../data/accounts_order";
import { timedRows } from "../../data/accounts_store";
import { useMedia } from "../../data/hooks";
import { accounts } from "../../data/venue";
import { count, money } from "../../format/numbers";
import { title } from "../../format/words";
import { type Column, DataTable, Empty, Ratio, StateChip, UnitName } from "../../parts";
import { accountPath, navigate } from "../../shell/router";

/** The order stands still for so long after the pointer moved: a row is not to flee the click. */
const HOLD_MS = 1_500;

export function Units({
  version,
  wish,
  onWish,
}: {
  version: number;
  wish: Wish;
  onWish: (wish: Wish) => void;
}) {
  const { columns } = accounts;
  const order = useMemo(() => accounts.order(), []);
  const pointedAt = useRef(Number.NEGATIVE_INFINITY);
  const held = useRef<{ wish: Wish; names: number; rows: Int32Array } | null>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `version` stands for the columns
  const rows = useMemo(() => {
    const before = held.current;
    const isHeld = performance.now() - pointedAt.current < HOLD_MS;
    if (isHeld && before?.wish === wish && before.names === columns.namesVersion)
      return before.rows;
    const found = timedRows(order, wish);
    held.current = { wish, names: columns.namesVersion, rows: found };
    return found;
  }, [order, version, wish]);

  const isNarrow = useMedia("(max-width: 640px)");
  const shown = useMemo<Column<SortColumn>[]>(
    () => (isNarrow ? narrowed(columnsOf(rows)) : columnsOf(rows)),
    [rows, isNarrow],
  );
  const at = (place: number) => columns.units[rows[place] as number] ?? "";
  return (
    <div
      className="units"
      onPointerMove={() => {
        pointedAt.current = performance.now();
      }}
      onPointerLeave={() => {
        pointedAt.current = Number.NEGATIVE_INFINITY;
      }}
    >
      <DataTable
        label="Margin units"
        columns={shown}
        count={rows.length}
        rowKey={at}
        sort={wish}
        onSort={(sort) => onWish({ ...wish, ...sort })}
        onOpen={(place) => navigate(accountPath(at(place)))}
        empty={
          <Empty title={columns.count ? "No margin unit fits the filter" : "There are no accounts"}>
            {columns.count > 0 && `${count(columns.count)} units are there.`}
          </Empty>
        }
      />
      <p className="units-foot muted" aria-live="off">
        {count(rows.length)} of {count(columns.count)} units · the order stands still while you
        point
      </p>
    </div>
  );
}

const NARROW: Partial<Record<SortColumn, string>> = {
  unit: "minmax(104px, 1fr)",
  margin_ratio: "92px",
  buffer: "112px",
};

/** What fits a phone: the unit with the shape of its state, the ratio and the buffer. */
function narrowed(columns: Column<SortColumn>[]): Column<SortColumn>[] {
  const state = columns.find((column) => column.key === "state");
  return columns.flatMap((column) => {
    const width = NARROW[column.key];
    if (width === undefined) return [];
    if (column.key !== "unit") return [{ ...column, width }];
    const cell = (place: number) => (
      <span className="units-narrow">
        {state?.cell(place)}
        {column.cell(place)}
      </span>
    );
    return [{ ...column, width, cell }];
  });
}

function columnsOf(rows: Int32Array): Column<SortColumn>[] {
  const { columns } = accounts;
  const row = (place: number) => rows[place] as number;
  const amount = (key: Amount | "buffer", text: string): Column<SortColumn> => ({
    key,
    title: text,
    width: "minmax(108px, 1fr)",
    isNumber: true,
    isSortable: true,
    cell: (place) => {
      const micro = columns.numbers[key][row(place)];
      const isBad = key === "buffer" && (micro ?? 0) < 0;
      return <span className={isBad ? "bad" : undefined}>{money(micro)}</span>;
    },
  });
  return [
    {
      key: "unit",
      title: "Unit",
      width: "minmax(236px, 2fr)",
      isSortable: true,
      cell: (place) => <UnitName unit={columns.units[row(place)] ?? ""} />,
    },
    {
      key: "state",
      title: "State",
      width: "156px",
      isSortable: true,
      cell: (place) => <StateChip state={columns.stateOf(row(place))} />,
    },
    {
      key: "margin_ratio",
      title: "Margin ratio",
      width: "98px",
      isNumber: true,
      isSortable: true,
      cell: (place) => <Ratio value={columns.numbers.margin_ratio[row(place)]} />,
    },
    amount("buffer", "Buffer"),
    amount("equity", "Equity"),
    amount("maintenance_balance", "Maint. bal."),
    amount("maintenance_requirement", "Maint. req."),
    amount("initial_requirement", "Init. req."),
    {
      key: "positions",
      title: "Positions",
      width: "78px",
      isNumber: true,
      isSortable: true,
      cell: (place) => count(columns.numbers.positions[row(place)]),
    },
    {
      key: "mode",
      title: "Mode",
      width: "82px",
      isSortable: true,
      cell: (place) => title(columns.modes[row(place)] ?? ""),
    },
  ];
}
