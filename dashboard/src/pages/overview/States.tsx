/** Margin units by state, in order of gravity. */

import type { Word } from "../../data/channels";
import { count, percent } from "../../format/numbers";
import { words } from "../../format/words";
import { Panel, Shown, StateChip } from "../../parts";
import { Link } from "../../shell/Link";
import type { OverviewData } from "../../wire";

export function States({ venue, word }: { venue: OverviewData | null; word: Word }) {
  const units = venue && Object.values(venue.units_by_state).reduce((a, b) => a + b, 0);
  return (
    <Panel
      title="Margin units by state"
      note={units !== null && `${count(units)} units; bars logarithmic`}
      tools={<Link href="/accounts">Accounts</Link>}
    >
      <Shown data={venue} word={word} what="states" lines={7}>
        {(data) => <Bars states={data.units_by_state} />}
      </Shown>
    </Panel>
  );
}

/** The bars grow with the logarithm: one bankrupt unit among ten thousand has to be seen. */
function Bars({ states }: { states: Record<string, number> }) {
  const rows = Object.entries(states);
  const all = rows.reduce((sum, [, n]) => sum + n, 0);
  const width = (n: number) => (n > 0 ? Math.max(3, (Math.log1p(n) / Math.log1p(all)) * 100) : 0);
  return (
    <div className="bars">
      {rows.map(([state, n]) => (
        <Link
          key={state}
          href={`/accounts?state=${state}`}
          className="bars-row"
          aria-label={`${words(state)}: ${count(n)} units`}
        >
          <StateChip state={state} />
          <span className={`bars-track state-${state}`} aria-hidden="true">
            <i style={{ width: `${width(n)}%` }} />
          </span>
          <span className="num">{count(n)}</span>
          <span className="num muted">
            {percent(all ? n / all : null, n > 0 && n / all < 0.001 ? 2 : 1)}
          </span>
        </Link>
      ))}
    </div>
  );
}
