/** What is shown, of when, and how sure that is. */

import { useCell, useChannel, useStanding } from "../data/hooks";
import { logout } from "../data/venue";
import { count } from "../format/numbers";
import { clock, day } from "../format/times";
import { Icon } from "../parts/Icon";
import { ConditionChip } from "./ConditionChip";
import { chooseTheme, isDark, theme } from "./theme";
import { useCondition } from "./useCondition";

export function TopBar({ onHelp }: { onHelp: () => void }) {
  const { data: venue } = useChannel("transparency.1000ms");
  const { data: health } = useChannel("health.1000ms");
  const standing = useStanding();
  const condition = useCondition();
  useCell(theme);
  const other = isDark() ? "light" : "dark";
  return (
    <header className="bar">
      <span className="bar-title">{venue?.title ?? "Steelyard"}</span>
      <ConditionChip condition={condition} />
      <span className="bar-space" />
      <dl className="bar-fact">
        <dt>UTC</dt>
        <dd title={health ? `engine time, ${day(health.time_us)}` : "engine time"}>
          {clock(health?.time_us)}
        </dd>
      </dl>
      <dl className="bar-fact is-minor">
        <dt>Event</dt>
        <dd title="sequence number of the latest event">{count(health?.as_of_seq)}</dd>
      </dl>
      <span className="bar-tools">
        <button
          type="button"
          className="button is-quiet"
          aria-label={`Switch to ${other}`}
          title={`Switch to ${other}`}
          onClick={() => chooseTheme(other)}
        >
          <Icon name={other === "light" ? "sun" : "moon"} />
        </button>
        <button
          type="button"
          className="button is-quiet"
          aria-label="Keys"
          title="Keys (?)"
          onClick={onHelp}
        >
          <Icon name="keyboard" />
        </button>
        {standing.kind === "proven" && (
          <button type="button" className="button is-quiet is-wordy" onClick={() => void logout()}>
            Log out
          </button>
        )}
      </span>
    </header>
  );
}
