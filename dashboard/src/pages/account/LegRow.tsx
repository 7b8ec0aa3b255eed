/** One leg of the ticket: which instrument, which way, how much. */

import { type KeyboardEvent, useId, useMemo, useRef, useState } from "react";
import { fixed } from "../../format/numbers";
import { day } from "../../format/times";
import { Icon, TextField } from "../../parts";
import type { InstrumentView } from "../../wire";
import { type Fault, type Leg, plain, search, unitOf } from "./trade";
import { useUnit } from "./unit";

const FOUND_MAX = 40;

export function LegRow({
  leg,
  fault,
  instruments,
  instrument,
  onChange,
  onRemove,
}: {
  leg: Leg;
  fault: Fault;
  instruments: readonly InstrumentView[];
  instrument: InstrumentView | null;
  onChange: (leg: Leg) => void;
  onRemove: (() => void) | null;
}) {
  return (
    <div className="leg">
      <Instrument
        value={leg.instrument}
        error={fault.instrument}
        instruments={instruments}
        onChoose={(name) => onChange({ ...leg, instrument: name })}
      />
      <fieldset className="leg-sides" aria-label="Side">
        {(["buy", "sell"] as const).map((side) => (
          <button
            key={side}
            type="button"
            className="button"
            aria-pressed={leg.side === side}
            onClick={() => onChange({ ...leg, side })}
          >
            {side === "buy" ? "Buy" : "Sell"}
          </button>
        ))}
      </fieldset>
      <TextField
        label={instrument ? `Quantity, ${unitOf(instrument)}` : "Quantity"}
        isNumber
        value={leg.quantity}
        error={fault.quantity}
        placeholder={instrument?.min_trade_amount ? plain(instrument.min_trade_amount) : ""}
        onChange={(event) => onChange({ ...leg, quantity: event.target.value })}
      />
      {onRemove && (
        <button type="button" className="button is-quiet leg-remove" onClick={onRemove}>
          <Icon name="close" />
          <span className="sr-only">Remove the leg {leg.instrument}</span>
        </button>
      )}
    </div>
  );
}

/** A field that searches names: arrows choose, Enter takes, Escape leaves. */
function Instrument({
  value,
  error,
  instruments,
  onChoose,
}: {
  value: string;
  error: string | null;
  instruments: readonly InstrumentView[];
  onChoose: (name: string) => void;
}) {
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  const [text, setText] = useState<string | null>(null);
  const [active, setActive] = useState(0);
  const isOpen = text !== null;
  const { positions } = useUnit();
  const held = useMemo(() => new Set(positions.map((each) => each.instrument_name)), [positions]);
  const found = useMemo(
    () => (isOpen ? search(text, instruments, held, FOUND_MAX) : []),
    [isOpen, text, instruments, held],
  );
  const open = () => {
    setText("");
    setActive(0);
  };
  const take = (each: InstrumentView | undefined) => {
    if (each) onChoose(each.instrument_name);
    setText(null);
  };
  const move = (to: number) => {
    const next = Math.max(0, Math.min(found.length - 1, to));
    setActive(next);
    (list.current?.children[next] as HTMLElement | undefined)?.scrollIntoView({ block: "nearest" });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!isOpen) open();
      else move(active + (event.key === "ArrowDown" ? 1 : -1));
    } else if (event.key === "Enter" && isOpen) {
      event.preventDefault();
      take(found[active]);
    } else if (event.key === "Escape" && isOpen) {
      event.preventDefault();
      setText(null);
    }
  };
  return (
    <div className="combo">
      <TextField
        label="Instrument"
        value={text ?? value}
        error={error}
        placeholder={isOpen && value ? value : "BTC perpetual, 120000 C …"}
        role="combobox"
        aria-expanded={isOpen}
        aria-controls={`${id}-list`}
        aria-autocomplete="list"
        aria-activedescendant={isOpen && found[active] ? `${id}-${active}` : undefined}
        onFocus={open}
        onBlur={() => setText(null)}
        onClick={() => !isOpen && open()}
        onChange={(event) => {
          setText(event.target.value);
          setActive(0);
        }}
        onKeyDown={onKeyDown}
      />
      {isOpen && (
        <div
          className="combo-list"
          role="listbox"
          id={`${id}-list`}
          aria-label="Instruments"
          ref={list}
        >
          {found.map((each, place) => (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the field above takes the keys for its list
            <div
              key={each.instrument_name}
              id={`${id}-${place}`}
              role="option"
              aria-selected={place === active}
              className={place === active ? "is-active" : undefined}
              // The field keeps the focus, so that the list stays until it is clicked.
              onMouseDown={(event) => event.preventDefault()}
              onClick={() => take(each)}
            >
              <span>{each.instrument_name}</span>
              <span className="muted">
                {held.has(each.instrument_name) && "held, "}
                {kindWords(each)}
              </span>
            </div>
          ))}
          {found.length === 0 && <p className="muted combo-none">No instrument has these words</p>}
        </div>
      )}
    </div>
  );
}

function kindWords(each: InstrumentView): string {
  if (each.kind === "future") {
    return each.instrument_type === "reversed" ? "perpetual, inverse" : "perpetual";
  }
  const end = each.expiration_timestamp == null ? "" : day(each.expiration_timestamp * 1_000);
  return `${each.option_type} ${fixed(each.strike ?? null)}, ${end}`;
}
