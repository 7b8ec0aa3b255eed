/** Going to an instant that is typed: an event by its number, or a time of UTC. */

import { type FormEvent, useState } from "react";
import { asFailure } from "../../data/errors";
import { askNow } from "../../data/venue";
import { count } from "../../format/numbers";
import { TextField } from "../../parts";
import { goToInstant } from "../../shell/router";
import type { JournalSpan } from "../../wire";
import { wishOf } from "./scale";

export function Jump({ span }: { span: JournalSpan }) {
  const [text, setText] = useState("");
  const [error, setError] = useState<string | null>(null);
  const go = async (event: FormEvent) => {
    event.preventDefault();
    const wish = wishOf(text, span.last_us);
    if (wish === null) {
      setError("An event number such as 41200, or a time of UTC such as 14:03:27");
      return;
    }
    try {
      const seq =
        "seq" in wish
          ? wish.seq
          : (await askNow("private/get_seq_at", { time_us: wish.timeUs })).seq;
      if (seq < span.first_seq || seq > span.last_seq) {
        const ends = `${count(span.first_seq)} to ${count(span.last_seq)}`;
        setError(seq === 0 ? "There was no event yet" : `The journal has events ${ends}`);
        return;
      }
      setError(null);
      goToInstant(seq);
    } catch (failure) {
      setError(asFailure(failure).reason);
    }
  };
  return (
    <form className="jump" onSubmit={(event) => void go(event)}>
      <TextField
        label="Event or time (UTC)"
        value={text}
        error={error}
        placeholder="41200 or 14:03:27"
        onChange={(event) => {
          setText(event.target.value);
          setError(null);
        }}
      />
      <button type="submit" className="button">
        Go
      </button>
    </form>
  );
}
