/** The keys. */

import { Dialog } from "../parts/Dialog";
import { PLACES } from "./keys";

const MORE = [
  ["/", "search accounts"],
  ["?", "these keys"],
  ["↑ ↓", "move in a table; Page Up, Page Down, Home and End too"],
  ["Enter", "open the row"],
  ["Esc", "close, or leave the search"],
] as const;

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
    </Dialog>
  );
}
