/** Log in with a key. The secret is sent once and kept nowhere. */

import { type FormEvent, useState } from "react";
import { asFailure, type CallFailure } from "../data/errors";
import { loginWithKey } from "../data/venue";
import { TextField } from "../parts/Form";
import { ErrorNote } from "../parts/Notes";
import { Panel } from "../parts/Panel";
import { Link } from "./Link";

export function Login({ because }: { because: CallFailure | null }) {
  const [id, setId] = useState("");
  const [secret, setSecret] = useState("");
  const [isAsking, setAsking] = useState(false);
  const [tried, setTried] = useState<CallFailure | null>(null);
  const error = tried ?? because;
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setAsking(true);
    setTried(null);
    try {
      await loginWithKey(id.trim(), secret);
      setSecret("");
    } catch (failure) {
      setTried(asFailure(failure));
    } finally {
      setAsking(false);
    }
  };
  return (
    <div className="login">
      <Panel title="Log in" isLive={false}>
        <p>
          This page shows accounts and needs a key with the scopes read, simulate and risk. Started
          from a terminal, the venue prints an address that logs in once.
        </p>
        {error && <ErrorNote error={error} />}
        <form onSubmit={(event) => void submit(event)}>
          <TextField
            label="Key id"
            value={id}
            required
            autoComplete="username"
            onChange={(event) => setId(event.target.value)}
          />
          <TextField
            label="Secret"
            type="password"
            value={secret}
            required
            autoComplete="current-password"
            note="Sent once to this venue; the page keeps it nowhere."
            onChange={(event) => setSecret(event.target.value)}
          />
          <button type="submit" className="button is-first" disabled={isAsking || !id || !secret}>
            {isAsking ? "Logging in…" : "Log in"}
          </button>
        </form>
      </Panel>
      <p style={{ marginTop: 12 }}>
        Without a key: <Link href="/transparency">what anybody may see</Link>.
      </p>
    </div>
  );
}
