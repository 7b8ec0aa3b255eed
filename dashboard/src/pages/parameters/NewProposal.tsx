/** Writing a proposal: parameters from the tree, new values checked as they are typed, why and from when on. */

import { type FormEvent, useId, useMemo, useState } from "react";
import type { ChangeTold, Parameters } from "../../control_wire";
import { usePerson } from "../../data/control_hooks";
import { useCell } from "../../data/hooks";
import { instant } from "../../format/times";
import { Icon, SelectField, TextField } from "../../parts";
import { giveOrder, type Order } from "./Confirm";
import {
  addToDraft,
  changeLine,
  changesOf,
  type Draft,
  type DraftLine,
  draft,
  EMPTY,
  LINES_MAX,
  lineFault,
  proposedOf,
  REASON_LENGTH_MAX,
  removeLine,
} from "./draft";
import { Impact } from "./Impact";
import { MINUTES } from "./orders";
import {
  changeText,
  type Leaf,
  leafAt,
  leavesOf,
  meaning,
  shownValue,
  typed,
  unitText,
} from "./tree";

export function NewProposal({
  method,
  nowUs,
  onMethod,
}: {
  method: Parameters;
  nowUs: number;
  onMethod: () => void;
}) {
  const now = useCell(draft);
  const { held, scopes } = usePerson();
  const leaves = useMemo(() => leavesOf(method.parameters), [method.parameters]);
  const changes = changesOf(now, method.parameters);
  const isReady = changes !== null && now.reason.trim() !== "" && !held && scopes.has("risk");
  const propose = (event: FormEvent) => {
    event.preventDefault();
    if (isReady && changes) giveOrder(proposing(changes, now, nowUs));
  };
  return (
    <>
      <form onSubmit={propose} className="draft">
        <AddParameter leaves={leaves} isFull={now.lines.length >= LINES_MAX} onMethod={onMethod} />
        {now.lines.map((line) => (
          <Line key={line.path} line={line} leaf={leafAt(leaves, line.path)} />
        ))}
        {now.lines.length > 0 && (
          <>
            <div className="draft-why">
              <TextField
                label="Reason, kept in the journal"
                value={now.reason}
                maxLength={REASON_LENGTH_MAX}
                onChange={(event) => draft.set({ ...now, reason: event.target.value })}
              />
              <SelectField
                label="Takes effect"
                note={effectNote(now, nowUs)}
                value={now.inMinutes}
                onChange={(event) => draft.set({ ...now, inMinutes: event.target.value })}
                options={[{ value: "", text: "at its approval" }, ...MINUTES, WEEK]}
              />
            </div>
            <div className="order-do">
              <button type="submit" className="button is-first" disabled={!isReady}>
                Propose…
              </button>
              <button type="button" className="button is-quiet" onClick={() => draft.set(EMPTY)}>
                Clear
              </button>
              <span className="muted">
                {held ?? waitsFor(changes, now, scopes.has("risk")) ?? ""}
              </span>
            </div>
          </>
        )}
      </form>
      {changes && <Impact changes={changes} isOpen />}
    </>
  );
}

const WEEK = { value: "10080", text: "in a week" } as const;

const effectNote = (now: Draft, nowUs: number): string =>
  now.inMinutes === ""
    ? "once another person has approved"
    : `${instant(nowUs + Number(now.inMinutes) * 60_000_000)} of engine time, if approved by then`;

function waitsFor(changes: unknown, now: Draft, mayPropose: boolean): string | null {
  if (!mayPropose) return "proposing takes a key with the scope risk";
  if (!changes) return "every parameter needs a new value that fits";
  return now.reason.trim() === "" ? "a reason is needed" : null;
}

function proposing(
  changes: readonly ChangeTold[],
  now: Draft,
  nowUs: number,
): Order<"POST /proposals"> {
  const body = proposedOf(changes, now, nowUs);
  return {
    title: "Propose new values",
    verb: "Propose",
    route: "POST /proposals",
    body: () => body,
    onDone: () => draft.set(EMPTY),
    says: [
      "Nothing changes yet: another person has to approve, within a day after its time.",
      ...changes.map(
        (each) => `${each.path}: ${shownValue(each.base)} → ${shownValue(each.value)}`,
      ),
      body.effective_us
        ? `Approved before, it is applied at ${instant(body.effective_us)}.`
        : "It is applied at once when it is approved.",
      "If a parameter has another value by then, the proposal is void.",
    ],
  };
}

function AddParameter({
  leaves,
  isFull,
  onMethod,
}: {
  leaves: readonly Leaf[];
  isFull: boolean;
  onMethod: () => void;
}) {
  const id = useId();
  const [path, setPath] = useState("");
  const leaf = leafAt(leaves, path.trim());
  const add = () => {
    if (!leaf) return;
    addToDraft(leaf);
    setPath("");
  };
  return (
    <div className="draft-add">
      <TextField
        label="Add a parameter by its path"
        note="begin to type, or choose one in the tab Method"
        error={
          path && !leaf && !leaves.some((each) => each.path.includes(path.trim()))
            ? "no path has this in it"
            : null
        }
        list={id}
        value={path}
        placeholder="underlying.BTC.range_ppm"
        onChange={(event) => setPath(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter") return;
          event.preventDefault();
          add();
        }}
      />
      <datalist id={id}>
        {leaves.map((each) => (
          <option key={each.path} value={each.path} />
        ))}
      </datalist>
      <button type="button" className="button" disabled={!leaf || isFull} onClick={add}>
        Add
      </button>
      <button type="button" className="button is-quiet" onClick={onMethod}>
        Choose in the tree
      </button>
    </div>
  );
}

function Line({ line, leaf }: { line: DraftLine; leaf: Leaf | null }) {
  const fault = lineFault(line, leaf);
  const found = leaf && typed(line.text, leaf);
  const value = found && "value" in found ? found.value : null;
  const unit = leaf?.unit ?? "";
  const says = [meaning(value, unit), changeText(leaf?.value, value)].filter(Boolean).join(", ");
  const isNumber = typeof leaf?.value === "number";
  return (
    <div className="draft-line">
      <TextField
        label={`${line.path}${unit ? `, ${unit}` : ""}`}
        note={`now ${shownValue(leaf?.value)} ${unitText(unit)}${says ? `; new: ${says}` : ""}`}
        error={fault}
        isNumber={isNumber}
        value={line.text}
        onChange={(event) => changeLine(line.path, event.target.value)}
      />
      <button
        type="button"
        className="button is-quiet"
        aria-label={`Leave ${line.path} out`}
        onClick={() => removeLine(line.path)}
      >
        <Icon name="close" />
      </button>
    </div>
  );
}
