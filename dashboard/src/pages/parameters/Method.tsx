/** The method in force: every parameter with its unit and meaning, and where it left its document. */

import { useMemo, useState } from "react";
import type { MethodRead, Parameters } from "../../control_wire";
import { useControl, usePerson } from "../../data/control_hooks";
import { useCell } from "../../data/hooks";
import { count } from "../../format/numbers";
import { Empty, type Figure, KeyFigures, Panel, Shown } from "../../parts";
import { addToDraft, draft } from "./draft";
import {
  changeText,
  documented,
  isSame,
  type Leaf,
  leavesOf,
  meaning,
  shownValue,
  tablesOf,
  unitText,
} from "./tree";

const EVERY_MS = 5_000;

export function Method({ onProposals }: { onProposals: () => void }) {
  const told = useControl("/parameters", { everyMs: EVERY_MS });
  return (
    <Shown data={told.result} error={told.error} again={told.again} what="the method" lines={14}>
      {(found) => <Found found={found} onProposals={onProposals} />}
    </Shown>
  );
}

function Found({ found, onProposals }: { found: Parameters; onProposals: () => void }) {
  const document = useControl("/methods/{method}", {
    names: { method: found.method },
    query: { version: found.version },
  });
  const [search, setSearch] = useState("");
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const { lines } = useCell(draft);
  const { held } = usePerson();
  const leaves = useMemo(() => leavesOf(found.parameters), [found.parameters]);
  const tables = useMemo(() => tablesOf(leaves, search), [leaves, search]);
  const base = document.result?.parameters ?? null;
  const changed = leaves.filter((leaf) => hasLeft(base, leaf));
  const shown = tables.reduce((sum, each) => sum + each.leaves.length, 0);
  const toggle = (table: string, isOpen: boolean) => {
    if (isOpen !== closed.has(table)) return; // the browser tells of what stands open from the start too
    const next = new Set(closed);
    if (isOpen) next.delete(table);
    else next.add(table);
    setClosed(next);
  };
  return (
    <div className="parameters-stack">
      <KeyFigures
        label="The method in force"
        figures={figures(found, document.result, changed.length)}
      />
      <Panel
        title="Parameters in force"
        note={`${count(shown)} of ${count(leaves.length)}; as of event ${count(found.as_of_seq)}`}
        isFlush
        tools={
          lines.length > 0 && (
            <button type="button" className="button is-first" onClick={onProposals}>
              Go on with the proposal ({count(lines.length)})
            </button>
          )
        }
      >
        <search className="parameters-search">
          <input
            className="input"
            type="search"
            data-search
            placeholder="Search parameters  ( / )"
            aria-label="Search parameters by path, unit or value"
            value={search}
            onChange={(event) => setSearch(event.target.value)}
          />
          <button
            type="button"
            className="button is-quiet"
            onClick={() => setClosed(new Set(closed.size ? [] : leaves.map((leaf) => leaf.table)))}
          >
            {closed.size ? "Open all" : "Close all"}
          </button>
        </search>
        {tables.length === 0 && <Empty title="No parameter has these words" />}
        {tables.map(({ table, leaves: own }) => (
          <details
            key={table}
            className="parameters-table"
            open={search !== "" || !closed.has(table)}
            onToggle={(event) => search === "" && toggle(table, event.currentTarget.open)}
          >
            <summary>
              <span className="mono">{table}</span>
              <span className="muted">{count(own.length)}</span>
            </summary>
            <Lines table={table} leaves={own} base={base} isHeld={held !== null} />
          </details>
        ))}
      </Panel>
    </div>
  );
}

function hasLeft(base: Record<string, unknown> | null, leaf: Leaf): boolean {
  const value = documented(base, leaf);
  return value !== undefined && !isSame(value, leaf.value);
}

function figures(found: Parameters, document: MethodRead | null, changed: number): Figure[] {
  return [
    { name: "Method", value: found.method, note: document?.title ?? "" },
    { name: "Version", value: found.version, note: `counts in ${found.currency}` },
    {
      name: "Hash of the parameters",
      value: (
        <span className="mono parameters-hash" title={found.digest}>
          {found.digest.slice(0, 12)}…
        </span>
      ),
      note: "BLAKE2b-256 of every number",
    },
    {
      name: "Changed from the document",
      value: document ? count(changed) : "–",
      note: document ? "of those that the document states" : "the document is not known",
      ...(changed > 0 && { tone: "doubt" as const }),
    },
  ];
}

function Lines({
  table,
  leaves,
  base,
  isHeld,
}: {
  table: string;
  leaves: readonly Leaf[];
  base: Record<string, unknown> | null;
  isHeld: boolean;
}) {
  const { lines } = useCell(draft);
  const drafted = new Set(lines.map((line) => line.path));
  return (
    <table className="table parameters-lines">
      <caption className="sr-only">Parameters of {table}</caption>
      <thead className="sr-only">
        <tr>
          <th scope="col">Name</th>
          <th scope="col">Value</th>
          <th scope="col">Unit</th>
          <th scope="col">Meaning</th>
          <th scope="col">Change</th>
        </tr>
      </thead>
      <tbody>
        {leaves.map((leaf) => {
          const isLeft = hasLeft(base, leaf);
          return (
            <tr key={leaf.path} className={isLeft ? "is-left" : undefined}>
              <th scope="row" title={leaf.path}>
                {leaf.name}
              </th>
              <td className="num">
                <Value value={leaf.value} />
              </td>
              <td className="unit">{unitText(leaf.unit)}</td>
              <td className="muted parameters-meaning">
                {meaning(leaf.value, leaf.unit)}
                {isLeft && (
                  <span className="doubt parameters-left">
                    ▲ document: {shownValue(documented(base, leaf))}
                  </span>
                )}
              </td>
              <td className="parameters-do">
                <button
                  type="button"
                  className="button is-quiet"
                  disabled={isHeld || drafted.has(leaf.path)}
                  aria-label={`Propose a change of ${leaf.path}`}
                  onClick={() => addToDraft(leaf)}
                >
                  {drafted.has(leaf.path) ? "In the proposal" : "Change…"}
                </button>
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

/** A value; rows of a list stand below each other. */
export function Value({ value }: { value: unknown }) {
  const rows = Array.isArray(value) && typeof value[0] === "object" ? value : null;
  if (!rows) return <span className="parameters-value">{shownValue(value)}</span>;
  return (
    <span className="parameters-rows">
      {rows.map((row: Record<string, unknown>) => (
        <span key={JSON.stringify(row)}>
          {Object.entries(row)
            .map(([name, each]) => `${name} ${shownValue(each)}`)
            .join(" · ")}
        </span>
      ))}
    </span>
  );
}

/** A value before and after, with what it means and by how much it moves. */
export function BeforeAfter({
  before,
  after,
  unit,
}: {
  before: unknown;
  after: unknown;
  unit: string;
}) {
  const says = meaning(after, unit);
  const by = changeText(before, after);
  return (
    <span className="before-after">
      <span className="muted">
        <Value value={before} />
      </span>
      <span aria-hidden="true">→</span>
      <span className="sr-only">to</span>
      <strong>
        <Value value={after} />
      </strong>
      <span className="unit">{unitText(unit)}</span>
      {(says || by) && <span className="muted">({[says, by].filter(Boolean).join(", ")})</span>}
    </span>
  );
}
