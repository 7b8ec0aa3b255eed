/** Why the requirement is what it is: parts that sum exactly, each opened into its legs. */

import { Fragment, useState } from "react";
import { count, exact, percent } from "../../format/numbers";
import { title, words } from "../../format/words";
import { Empty, Icon, Shown } from "../../parts";
import type { BranchView, Explained } from "../../wire";
import { fromMicro, inPieces, toNumber } from "./amounts";
import type { Asked } from "./asking";
import { useUnit } from "./unit";
import { byUnderlying, isExact, type Level, waterfallOf, waterfallWords } from "./waterfall";

const PART_WORDS: Record<string, string> = {
  scenario: "loss in the worst cell of the scenario grid, underlying by underlying",
  short_option_minimum: "a share of the notional of short options",
  tier: "rates that rise with the notional of each underlying",
  liquidation_cost: "what closing the positions would cost: fee, half spread, impact",
  oracle_age: "a surcharge while prices are old",
  order_margin: "the worst subset of fills of the resting orders",
};

export function Parts({ asked }: { asked: Asked<Explained> }) {
  return (
    <Shown
      data={asked.result}
      error={asked.error}
      again={asked.again}
      what="the parts of the requirement"
      lines={6}
    >
      {(explained) =>
        explained.parts.length === 0 ? (
          <Empty title="Nothing is required">
            The unit has no position and no order that a requirement is held against.
          </Empty>
        ) : (
          <Waterfall explained={explained} />
        )
      }
    </Shown>
  );
}

function Waterfall({ explained }: { explained: Explained }) {
  const { told } = useUnit();
  const [level, setLevel] = useState<Level>("maintenance");
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const { parts, initial_margin: initial, maintenance_margin: keep } = explained;
  const total = level === "initial" ? initial : keep;
  // Balances of the event that the parts are of, where the answer has them.
  const numbers = explained.unit?.numbers;
  const initialBalance = numbers
    ? fromMicro(numbers.initial_balance_micro)
    : told.account.initial_balance;
  const keepBalance = numbers
    ? fromMicro(numbers.maintenance_balance_micro)
    : told.account.maintenance_balance;
  const balance = toNumber(level === "initial" ? initialBalance : keepBalance);
  const shown = parts.map((part) => ({ name: part.name, amount: toNumber(part[level]) }));
  const drawn = waterfallOf(shown, toNumber(total), balance);
  const whole = toNumber(total);
  const isSummed = isExact(parts, initial, keep);
  const toggle = (name: string) => {
    const next = new Set(open);
    if (!next.delete(name)) next.add(name);
    setOpen(next);
  };
  return (
    <>
      <div className="account-tools">
        <Levels level={level} onLevel={setLevel} />
        <p className="muted">{waterfallWords(parts, level, total)}</p>
      </div>
      <div className="scroll-x">
        <table className="table waterfall">
          <caption className="sr-only">Requirement by part, in USDC</caption>
          <thead>
            <tr>
              <th scope="col">Part</th>
              <th scope="col" className="waterfall-bars">
                <span className="sr-only">As a bar</span>
              </th>
              <th scope="col" className="num">
                Initial
              </th>
              <th scope="col" className="num">
                Maintenance
              </th>
              <th scope="col" className="num is-wide">
                Share
              </th>
            </tr>
          </thead>
          <tbody>
            {parts.map((part, i) => (
              <Fragment key={part.name}>
                <PartRow
                  part={part}
                  bar={drawn.steps[i] as { from: number; to: number }}
                  share={whole > 0 ? toNumber(part[level]) / whole : null}
                  isOpen={open.has(part.name)}
                  onToggle={() => toggle(part.name)}
                />
                {open.has(part.name) && <Legs part={part} level={level} whole={whole} />}
              </Fragment>
            ))}
          </tbody>
          <tfoot>
            <tr className="waterfall-total">
              <th scope="row">Requirement</th>
              <Bar bar={drawn.total} kind="total" />
              <Amount text={initial} />
              <Amount text={keep} />
              <td className="num is-wide">{whole > 0 ? percent(1, 0) : ""}</td>
            </tr>
            <tr>
              <th scope="row">Margin balance</th>
              <Bar bar={drawn.balance ?? { from: 0, to: 0 }} kind="balance" />
              <Amount text={initialBalance} />
              <Amount text={keepBalance} />
              <td className="is-wide" />
            </tr>
          </tfoot>
        </table>
      </div>
      {isSummed ? (
        <p className="account-pad muted" data-testid="exact">
          Checked here: legs sum to their part and parts to the requirement, to the last digit. As
          of event {count(explained.as_of_seq)}.
        </p>
      ) : (
        <p className="account-pad bad" role="alert">
          <Icon name="alert" /> These parts do not sum to the requirement: do not rely on them.
        </p>
      )}
    </>
  );
}

export function Levels({ level, onLevel }: { level: Level; onLevel: (level: Level) => void }) {
  return (
    <fieldset className="filters-group account-choice" aria-label="Level">
      {(["maintenance", "initial"] as const).map((each) => (
        <button
          key={each}
          type="button"
          className="button is-quiet"
          aria-pressed={each === level}
          onClick={() => onLevel(each)}
        >
          {title(each)}
        </button>
      ))}
    </fieldset>
  );
}

function PartRow({
  part,
  bar,
  share,
  isOpen,
  onToggle,
}: {
  part: BranchView;
  bar: { from: number; to: number };
  share: number | null;
  isOpen: boolean;
  onToggle: () => void;
}) {
  return (
    <tr>
      <th scope="row">
        <button
          type="button"
          className="fold"
          aria-expanded={isOpen}
          title={PART_WORDS[part.name] ?? "as the method's document says"}
          onClick={onToggle}
        >
          <svg width="8" height="8" viewBox="0 0 10 10" aria-hidden="true" focusable="false">
            <path d={isOpen ? "M0 2h10L5 9z" : "M2 0v10l7-5z"} fill="currentColor" />
          </svg>
          {title(part.name)}
        </button>
      </th>
      <Bar bar={bar} kind="part" />
      <Amount text={part.initial} />
      <Amount text={part.maintenance} />
      <td className="num is-wide">{percent(share, 1)}</td>
    </tr>
  );
}

function Legs({ part, level, whole }: { part: BranchView; level: Level; whole: number }) {
  const groups = byUnderlying(part, level);
  return (
    <>
      {PART_WORDS[part.name] && (
        <tr className="waterfall-legs">
          <td colSpan={5} className="muted waterfall-note">
            {title(words(PART_WORDS[part.name] as string))}.
          </td>
        </tr>
      )}
      {groups.flatMap(([underlying, leaves]) =>
        leaves.map((leaf) => (
          <tr key={`${underlying} ${leaf.name}`} className="waterfall-legs">
            <th scope="row">{leaf.name}</th>
            <td className="waterfall-bars" />
            <Amount text={leaf.initial} />
            <Amount text={leaf.maintenance} />
            <td className="num is-wide">
              {whole > 0 ? percent(toNumber(leaf[level]) / whole, 1) : ""}
            </td>
          </tr>
        )),
      )}
    </>
  );
}

function Bar({ bar, kind }: { bar: { from: number; to: number }; kind: string }) {
  return (
    <td className="waterfall-bars" aria-hidden="true">
      <i
        className={`waterfall-bar is-${kind}`}
        style={{
          left: `${bar.from * 100}%`,
          width: `${Math.max(0.4, (bar.to - bar.from) * 100)}%`,
        }}
      />
    </td>
  );
}

/** Every digit that decides, those after the cents small. */
function Amount({ text }: { text: string }) {
  const { head, tail } = inPieces(text);
  return (
    <td className="num" title={exact(text)}>
      {head}
      <span className="digits">{tail}</span>
    </td>
  );
}
