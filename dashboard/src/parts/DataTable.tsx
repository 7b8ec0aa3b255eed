/**
 * A table of any number of rows: only those that are seen exist, keys move through all of them.
 *
 * One tab stop: the grid. Arrows, Page Up and Down, Home and End move the active row, Enter opens it.
 * Rows are given by place, so that the caller keeps its own columns and order.
 */

import { useVirtualizer } from "@tanstack/react-virtual";
import {
  type CSSProperties,
  type KeyboardEvent,
  type ReactNode,
  useId,
  useLayoutEffect,
  useRef,
  useState,
} from "react";

export interface Column<K extends string> {
  key: K;
  title: string;
  unit?: string;
  /** A track of a CSS grid: "120px", "minmax(140px, 1fr)". */
  width: string;
  isNumber?: boolean;
  isSortable?: boolean;
  /** What stands in the cell of the row at this place. */
  cell: (place: number) => ReactNode;
}

export interface Sort<K extends string> {
  column: K;
  isDescending: boolean;
}

export const ROW_PX = 28;
const HEAD_PX = 32;

export function DataTable<K extends string>({
  label,
  columns,
  count,
  rowKey,
  sort,
  onSort,
  onOpen,
  empty,
}: {
  label: string;
  columns: readonly Column<K>[];
  count: number;
  /** The name of the row at a place; the active row stays with its name when the order changes. */
  rowKey: (place: number) => string;
  sort?: Sort<K>;
  onSort?: (sort: Sort<K>) => void;
  onOpen?: (place: number) => void;
  empty?: ReactNode;
}) {
  const id = useId();
  const scroll = useRef<HTMLDivElement>(null);
  const [active, setActive] = useState({ place: 0, key: "" });
  const rows = useVirtualizer({
    count,
    getScrollElement: () => scroll.current,
    estimateSize: () => ROW_PX,
    overscan: 6,
    scrollPaddingStart: HEAD_PX,
    getItemKey: (place) => place,
  });
  const seen = rows.getVirtualItems();
  // The active row is looked for by name among the rows that are seen; else its place is kept.
  const found = active.key && seen.find((row) => rowKey(row.index) === active.key);
  const place = Math.min(found ? found.index : active.place, Math.max(0, count - 1));
  const isActiveSeen = seen.some((row) => row.index === place);

  const move = (to: number) => {
    const next = Math.max(0, Math.min(count - 1, to));
    if (count === 0) return;
    setActive({ place: next, key: rowKey(next) });
    rows.scrollToIndex(next, { align: "auto" });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.target !== scroll.current) return;
    const page = Math.max(
      1,
      Math.floor(((scroll.current?.clientHeight ?? 0) - HEAD_PX) / ROW_PX) - 1,
    );
    const steps: Record<string, number> = {
      ArrowDown: active.key ? place + 1 : place,
      ArrowUp: place - 1,
      PageDown: place + page,
      PageUp: place - page,
      Home: 0,
      End: count - 1,
    };
    const to = steps[event.key];
    if (to !== undefined) {
      event.preventDefault();
      move(to);
    } else if (event.key === "Enter" && onOpen && count > 0) {
      event.preventDefault();
      onOpen(place);
    }
  };

  // Rows of different widths would not stand under their heads: every row has the same tracks.
  const tracks: CSSProperties = {
    gridTemplateColumns: columns.map((column) => column.width).join(" "),
  };
  const height = rows.getTotalSize();
  useLayoutEffect(() => {
    rows.measure();
  }, [rows]);

  return (
    <div className="grid">
      <div
        className="grid-scroll"
        ref={scroll}
        role="grid"
        aria-label={label}
        aria-rowcount={count + 1}
        aria-colcount={columns.length}
        aria-activedescendant={active.key && isActiveSeen ? `${id}-${place}` : undefined}
        tabIndex={0}
        onKeyDown={onKeyDown}
      >
        <div className="grid-head" role="row" aria-rowindex={1} style={tracks}>
          {columns.map((column) => (
            <Head
              key={column.key}
              column={column}
              {...(sort && { sort })}
              {...(onSort && { onSort })}
            />
          ))}
        </div>
        {count === 0 && empty}
        <div style={{ height, position: "relative", minWidth: "min-content" }} role="rowgroup">
          {seen.map((row) => {
            const isActive = active.key !== "" && row.index === place;
            const opens = onOpen && (() => onOpen(row.index));
            return (
              // biome-ignore lint/a11y/useKeyWithClickEvents: the grid takes the keys for its active row
              <div
                key={row.key}
                id={`${id}-${row.index}`}
                role="row"
                aria-rowindex={row.index + 2}
                aria-selected={isActive}
                className={`grid-row${isActive ? " is-active" : ""}${opens ? " is-open" : ""}`}
                style={{ ...tracks, transform: `translateY(${row.start}px)` }}
                onClick={opens}
              >
                {columns.map((column) => (
                  <div
                    key={column.key}
                    role="gridcell"
                    className={`grid-cell${column.isNumber ? " is-number" : ""}`}
                  >
                    {column.cell(row.index)}
                  </div>
                ))}
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
}

function Head<K extends string>({
  column,
  sort,
  onSort,
}: {
  column: Column<K>;
  sort?: Sort<K>;
  onSort?: (sort: Sort<K>) => void;
}) {
  const isSorted = sort?.column === column.key;
  const direction = sort?.isDescending ? "descending" : "ascending";
  const className = `grid-title${column.isNumber ? " is-number" : ""}`;
  const text = (
    <>
      {column.title}
      {column.unit && <span className="unit">{column.unit}</span>}
    </>
  );
  const arrow = isSorted && (
    <span className="grid-arrow" aria-hidden="true">
      {sort?.isDescending ? "▼" : "▲"}
    </span>
  );
  return (
    <div
      role="columnheader"
      aria-sort={isSorted ? direction : undefined}
      style={{ height: "100%" }}
    >
      {column.isSortable && onSort ? (
        <button
          type="button"
          className={className}
          data-sorted={isSorted}
          onClick={() =>
            onSort({ column: column.key, isDescending: isSorted ? !sort?.isDescending : false })
          }
        >
          {column.isNumber && arrow}
          {text}
          {!column.isNumber && arrow}
        </button>
      ) : (
        <span className={className}>{text}</span>
      )}
    </div>
  );
}
