/** Search, states and modes. */

import { type KeyboardEvent, useMemo } from "react";
import type { AccountColumns } from "../../data/accounts";
import type { Wish } from "../../data/accounts_order";
import { count } from "../../format/numbers";
import { title } from "../../format/words";
import { StateChip } from "../../parts";
import { MODES, STATE_NAMES } from "../../wire";
import { toggled } from "./wish";

export function Filters({
  columns,
  version,
  wish,
  onWish,
}: {
  columns: AccountColumns;
  version: number;
  wish: Wish;
  onWish: (wish: Wish) => void;
}) {
  // biome-ignore lint/correctness/useExhaustiveDependencies: `version` stands for the columns
  const byState = useMemo(() => countStates(columns), [version]);
  const isFiltered = wish.search !== "" || wish.states.size > 0 || wish.modes.size > 0;
  const onKeyDown = (event: KeyboardEvent<HTMLInputElement>) => {
    if (event.key === "ArrowDown" || event.key === "Enter") {
      event.preventDefault();
      document.querySelector<HTMLElement>('[role="grid"]')?.focus();
    } else if (event.key === "Escape") {
      if (wish.search) onWish({ ...wish, search: "" });
      else event.currentTarget.blur();
    }
  };
  return (
    <search className="filters">
      <div className="filters-top">
        <input
          className="input filters-search"
          type="search"
          placeholder="Search units  ( / )"
          aria-label="Search units by name"
          data-search
          value={wish.search}
          onChange={(event) => onWish({ ...wish, search: event.target.value })}
          onKeyDown={onKeyDown}
        />
        <fieldset className="filters-group filters-modes" aria-label="Margin modes">
          {MODES.map((mode) => (
            <button
              key={mode}
              type="button"
              className="button"
              aria-pressed={wish.modes.has(mode)}
              onClick={() => onWish({ ...wish, modes: toggled(wish.modes, mode) })}
            >
              {title(mode)}
            </button>
          ))}
        </fieldset>
        <button
          type="button"
          className="button is-quiet"
          disabled={!isFiltered}
          onClick={() => onWish({ ...wish, search: "", states: new Set(), modes: new Set() })}
        >
          Clear
        </button>
      </div>
      <fieldset className="filters-group" aria-label="States">
        {STATE_NAMES.map((state, i) => (
          <button
            key={state}
            type="button"
            className="button filters-state"
            aria-pressed={wish.states.has(state)}
            onClick={() => onWish({ ...wish, states: toggled(wish.states, state) })}
          >
            <StateChip state={state} />
            <span className="muted">{count(byState[i])}</span>
          </button>
        ))}
      </fieldset>
    </search>
  );
}

function countStates(columns: AccountColumns): number[] {
  const found = new Array<number>(columns.states.length).fill(0);
  for (let row = 0; row < columns.count; row++) {
    const state = columns.numbers.state[row] as number;
    found[state] = (found[state] ?? 0) + 1;
  }
  return found;
}
