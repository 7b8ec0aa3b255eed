/** How components read the venue. */

import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import type { ChannelData, ChannelName, Methods } from "../wire";
import type { AccountsSeen } from "./accounts_store";
import { asOfSeq } from "./as_of";
import type { Sent } from "./connection";
import type { Cell } from "./emitter";
import { asFailure, type CallFailure } from "./errors";
import type { Standing } from "./session";
import type { Told } from "./store";
import { accounts, askAny, askNow, isReady, session, storeOf } from "./venue";

export function useCell<T>(cell: Cell<T>): T {
  return useSyncExternalStore(cell.subscribe, cell.get);
}

/** What a channel has told, at most five times a second. */
export function useChannel<C extends ChannelName>(channel: C): Told<ChannelData<C>> {
  const store = storeOf(channel);
  return useSyncExternalStore(store.subscribe, store.get);
}

/** The columns of all margin units; the object is the same, `version` says that it changed. */
export function useAccounts(): AccountsSeen {
  return useSyncExternalStore(accounts.subscribe, accounts.get);
}

export function useStanding(): Standing {
  return useCell(session.standing);
}

export function useAsOf(): number | null {
  return useCell(asOfSeq);
}

export interface Answer<T> {
  /** The latest answer; it stays while a new one is awaited. */
  result: T | null;
  error: CallFailure | null;
  isAsking: boolean;
  /** When the result came, by performance.now(). */
  answeredAtMs: number | null;
  again: () => void;
}

export interface Asking extends Sent {
  /** Ask again every so many milliseconds while the page is seen. */
  everyMs?: number;
  /** Ask of the present, whatever instant the page shows. */
  isOfNow?: boolean;
  /** Do not ask yet, as while a form is not filled. */
  isHeld?: boolean;
}

/**
 * Ask a method as soon as the connection is ready, and again when params or the instant change.
 *
 * An answer that was overtaken by a later question is dropped.
 */
export function useMethod<M extends keyof Methods>(
  method: M,
  params: Methods[M]["params"],
  asking?: Asking,
): Answer<Methods[M]["result"]> {
  return useAny<Methods[M]["result"]>(method, params, asking);
}

/** The same for a method that the generated types do not know. */
export function useAny<T>(method: string, params: object, asking: Asking = {}): Answer<T> {
  const [state, setState] = useState<Omit<Answer<T>, "again">>({
    result: null,
    error: null,
    isAsking: true,
    answeredAtMs: null,
  });
  const [round, setRound] = useState(0);
  const ready = useCell(isReady);
  const asOf = useAsOf();
  const key = JSON.stringify(params);
  const shown = useRef("");
  const { everyMs, isHeld = false, isOfNow = false, timeoutMs } = asking;
  // biome-ignore lint/correctness/useExhaustiveDependencies: `key` stands for params, `round` asks again
  useEffect(() => {
    if (!ready || isHeld) return;
    let isCurrent = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const question = `${method} ${key} ${isOfNow ? null : asOf}`;
    const put = async () => {
      setState((before) => ({
        ...before,
        isAsking: true,
        result: shown.current === question ? before.result : null,
      }));
      try {
        const sent: Sent = timeoutMs === undefined ? {} : { timeoutMs };
        const asked = isOfNow ? askNow(method as keyof Methods, params as never) : null;
        const result = (await (asked ?? askAny(method, params, sent))) as T;
        if (!isCurrent) return;
        shown.current = question;
        setState({ result, error: null, isAsking: false, answeredAtMs: performance.now() });
      } catch (error) {
        if (!isCurrent) return;
        setState((before) => ({ ...before, error: asFailure(error), isAsking: false }));
      }
      if (everyMs) timer = setTimeout(() => void put(), everyMs);
    };
    void put();
    return () => {
      isCurrent = false;
      clearTimeout(timer);
    };
  }, [method, key, ready, asOf, round, everyMs, isHeld, isOfNow, timeoutMs]);
  const again = useCallback(() => setRound((n) => n + 1), []);
  return { ...state, again };
}

/** Seconds of the wall clock, ticking; for ages and countdowns. */
export function useNow(everyMs = 1_000): number {
  const [now, setNow] = useState(() => performance.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(performance.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

/** Whether a media query holds, followed. */
export function useMedia(query: string): boolean {
  const list = useMemo(() => matchMedia(query), [query]);
  const subscribe = useCallback(
    (listener: () => void) => {
      list.addEventListener("change", listener);
      return () => list.removeEventListener("change", listener);
    },
    [list],
  );
  return useSyncExternalStore(subscribe, () => list.matches);
}
