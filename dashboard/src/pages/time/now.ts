/** What is asked of the present again and again, whatever instant the page shows. */

import { useCallback, useEffect, useState } from "react";
import { asFailure, type CallFailure } from "../../data/errors";
import { useCell } from "../../data/hooks";
import { askNow, isReady } from "../../data/venue";
import type { Methods } from "../../wire";

export interface OfNow<T> {
  result: T | null;
  error: CallFailure | null;
  again: () => void;
}

/** One question at a time, `everyMs` behind the answer before it; going to another instant asks none. */
export function useOfNow<M extends keyof Methods>(
  method: M,
  everyMs: number,
): OfNow<Methods[M]["result"]> {
  const [state, setState] = useState<Omit<OfNow<Methods[M]["result"]>, "again">>({
    result: null,
    error: null,
  });
  const [round, setRound] = useState(0);
  const ready = useCell(isReady);
  const [wasReady, setWasReady] = useState(false);
  useEffect(() => {
    if (ready) setWasReady(true);
  }, [ready]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `round` asks again
  useEffect(() => {
    if (!wasReady) return;
    let isCurrent = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const put = async () => {
      try {
        const result = await askNow(method, {} as Methods[M]["params"]);
        if (isCurrent) setState({ result, error: null });
      } catch (error) {
        if (isCurrent) setState((before) => ({ ...before, error: asFailure(error) }));
      }
      if (isCurrent) timer = setTimeout(() => void put(), everyMs);
    };
    void put();
    return () => {
      isCurrent = false;
      clearTimeout(timer);
    };
  }, [method, everyMs, wasReady, round]);
  const again = useCallback(() => setRound((n) => n + 1), []);
  return { ...state, again };
}
