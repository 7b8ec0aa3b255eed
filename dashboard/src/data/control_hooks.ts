/** How components read the control plane, and write to it. */

import { useCallback, useEffect, useRef, useState } from "react";
import type { Reads, Writes } from "../control_wire";
import {
  browserOutside,
  Control,
  type ItemOf,
  isUncertain,
  type ListPath,
  type Names,
  type Query,
} from "./control";
import { Cell } from "./emitter";
import { asFailure, type CallFailure } from "./errors";
import { type Answer, useAsOf, useCell, useStanding } from "./hooks";
import { isReady, session } from "./venue";

export const control = new Control(session, browserOutside);
/** Rises with every write that was done, so that what shows the outcome asks again. */
export const written = new Cell(0);

export interface Listed<P extends ListPath> {
  as_of_seq: number;
  time_us: number;
  items: ItemOf<P>[];
}

/** Ask a route as soon as the session is ready, every so often, and after each write. Of the present. */
export function useControl<P extends keyof Reads>(
  path: P,
  { names = {}, query = {}, everyMs }: { names?: Names; query?: Query; everyMs?: number } = {},
): Answer<Reads[P]> {
  const key = JSON.stringify([path, names, query]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `key` stands for all that is asked
  const put = useCallback(() => control.read(path, names, query), [key]);
  return useAsked(put, everyMs);
}

/** The same for every item of a list. */
export function useControlList<P extends ListPath>(path: P, everyMs?: number): Answer<Listed<P>> {
  const put = useCallback(() => control.readAll(path), [path]);
  return useAsked<Listed<P>>(put, everyMs);
}

function useAsked<T>(put: () => Promise<T>, everyMs?: number): Answer<T> {
  const [state, setState] = useState<Omit<Answer<T>, "again">>(UNASKED);
  const [round, setRound] = useState(0);
  const ready = useCell(isReady);
  const writes = useCell(written);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `round` and `writes` ask again
  useEffect(() => {
    if (!ready) return;
    let isCurrent = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async () => {
      setState((before) => ({ ...before, isAsking: true }));
      try {
        const result = await put();
        if (!isCurrent) return;
        setState({ result, error: null, isAsking: false, answeredAtMs: performance.now() });
      } catch (error) {
        if (!isCurrent) return;
        setState((before) => ({ ...before, error: asFailure(error), isAsking: false }));
      }
      if (everyMs) timer = setTimeout(() => void look(), everyMs);
    };
    const look = async () => {
      if (!document.hidden) await ask();
      else timer = setTimeout(() => void look(), everyMs);
    };
    void ask();
    return () => {
      isCurrent = false;
      clearTimeout(timer);
    };
  }, [put, ready, round, writes, everyMs]);
  const again = useCallback(() => setRound((n) => n + 1), []);
  return { ...state, again };
}

const UNASKED = { result: null, error: null, isAsking: true, answeredAtMs: null };

export interface Writing<W extends keyof Writes> {
  done: Writes[W]["result"] | null;
  error: CallFailure | null;
  isSending: boolean;
  /** Whether nobody knows if it was done; sending the same again finds out. */
  isUncertain: boolean;
  send: (body: Writes[W]["body"], names?: Names) => Promise<void>;
}

/** Write; the same body after an answer that was lost goes out under the same key. */
export function useWrite<W extends keyof Writes>(route: W): Writing<W> {
  const [state, setState] = useState<Omit<Writing<W>, "send">>(UNSENT);
  const open = useRef<{ wish: string; key: string } | null>(null);
  const send = useCallback(
    async (body: Writes[W]["body"], names: Names = {}) => {
      const wish = JSON.stringify([route, body, names]);
      const key = open.current?.wish === wish ? open.current.key : control.newKey();
      open.current = { wish, key };
      setState({ ...UNSENT, isSending: true });
      try {
        const done = await control.write(route, body, names, key);
        open.current = null;
        setState({ ...UNSENT, done });
        written.set(written.get() + 1);
      } catch (thrown) {
        const error = asFailure(thrown);
        const uncertain = isUncertain(error);
        if (!uncertain) open.current = null;
        setState({ ...UNSENT, error, isUncertain: uncertain });
      }
    },
    [route],
  );
  return { ...state, send };
}

const UNSENT = { done: null, error: null, isSending: false, isUncertain: false };

/** Who is logged in, and why something may not be written; null where it may. */
export interface Person {
  keyId: string;
  scopes: ReadonlySet<string>;
  /** Why nothing at all is written now: back in time, or nobody is logged in. */
  held: string | null;
}

export function usePerson(): Person {
  const standing = useStanding();
  const asOf = useAsOf();
  const isProven = standing.kind === "proven";
  const scopes = new Set(isProven ? standing.scope.split(" ") : []);
  const keyId = isProven ? (standing.keyId ?? "") : "";
  return { keyId, scopes, held: heldBecause(asOf, isProven) };
}

export function heldBecause(asOf: number | null, isProven: boolean): string | null {
  if (asOf !== null) return "The page is back in time: orders are given in the present.";
  return isProven ? null : "Nobody is logged in.";
}
