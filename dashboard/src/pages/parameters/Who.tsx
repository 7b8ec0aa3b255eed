/** Who is logged in, what that person may do, and why nothing may be done where that is so. */

import { usePerson } from "../../data/control_hooks";
import { useAsOf } from "../../data/hooks";
import { Icon } from "../../parts";
import { goToInstant } from "../../shell/router";

export function Who() {
  const { keyId, scopes, held } = usePerson();
  const asOf = useAsOf();
  const may = [
    scopes.has("risk") && "halt, propose, reject",
    scopes.has("admin") && "approve what another person asked for",
  ].filter(Boolean);
  return (
    <div className="who">
      <p>
        Logged in as <strong className="mono">{keyId || "nobody"}</strong>
        <span className="muted"> — may {may.join("; ") || "look only"}</span>
      </p>
      {held && (
        <p className="who-held" role="status">
          <Icon name="alert" />
          <span>
            <strong>Nothing can be ordered now.</strong> {held}{" "}
            {asOf !== null &&
              "The control plane knows the present alone: what stands below is of now."}
          </span>
          {asOf !== null && (
            <button type="button" className="button" onClick={() => goToInstant(null)}>
              Return to now
            </button>
          )}
        </p>
      )}
    </div>
  );
}
