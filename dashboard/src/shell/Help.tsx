/** The keys, and what the page itself costs. */

import { sortMs } from "../data/accounts_store";
import { channels, connection } from "../data/venue";
import { count, fixed } from "../format/numbers";
import { Dialog } from "../parts/Dialog";
import { PLACES } from "./keys";

const MORE = [
  ["/", "search accounts"],
  ["?", "these keys"],
  ["↑ ↓", "move in a table; Page Up, Page Down, Home and End too"],
  ["Enter", "open the row"],
  ["Esc", "close, or leave the search"],
] as const;

/** What the page's own work takes, measured while it runs. */
function OwnFigures() {
  const { frames, parseMsMax } = connection.measured;
  const sorted = [...sortMs].sort((a, b) => a - b);
  const p95 = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.95))];
  return (
    <p className="help-figures" data-figures={JSON.stringify({ frames, parseMsMax, p95 })}>
      This page: {count(frames)} frames of 64 kB or more, the slowest parsed in{" "}
      {fixed(parseMsMax, 1)} ms; the latest {count(sorted.length)} orders of the accounts took{" "}
      {fixed(p95, 1)} ms at the 95th percentile; {count(channels.gaps)} gaps in channels.
    </p>
  );
}

export function Help({ isOpen, onClose }: { isOpen: boolean; onClose: () => void }) {
  return (
    <Dialog title="Keys" isOpen={isOpen} onClose={onClose}>
      <dl className="help">
        {PLACES.map((place) => (
          <div key={place.path} style={{ display: "contents" }}>
            <dt>
              <kbd>g</kbd> <kbd>{place.letter}</kbd>
            </dt>
            <dd>{place.name}</dd>
          </div>
        ))}
        {MORE.map(([key, words]) => (
          <div key={key} style={{ display: "contents" }}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{words}</dd>
          </div>
        ))}
      </dl>
      <OwnFigures />
    </Dialog>
  );
}
