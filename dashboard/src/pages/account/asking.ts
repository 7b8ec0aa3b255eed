/**
 * How the panels of an account ask: again when the unit has changed, no oftener than they said, and only
 * while they are seen. A refusal for want of credits is waited out, and said.
 */

import {
  createContext,
  type RefObject,
  useCallback,
  useContext,
  useEffect,
  useRef,
  useState,
} from "react";
import { asFailure, type CallFailure } from "../../data/errors";
import { useAsOf, useCell } from "../../data/hooks";
import { ask, isReady } from "../../data/venue";
import type { Methods } from "../../wire";

export interface Asked<T> {
  result: T | null;
  error: CallFailure | null;
  isAsking: boolean;
  /** Why nothing is asked at this moment although something is due: until when credits are waited for. */
  waitsUntilMs: number | null;
  again: () => void;
}

/** Rises when the unit has changed; 0 before anything is known of it. */
export const Beat = createContext(0);

const TRIES_MAX = 6;

/** How long a refusal for want of credits asks to wait, null for any other failure. */
export function creditWaitMs(error: CallFailure): number | null {
  const us = error.data?.retry_after_us;
  return us == null ? null : Math.min(30_000, Math.max(50, us / 1_000 + 30));
}

export interface Manner {
  /** The least time between two questions. */
  everyMs: number;
  /** Not now: the panel is closed or not seen. */
  isHeld?: boolean;
  timeoutMs?: number;
}

/** Ask now, and again when the unit has changed. The latest answer stays while a new one is awaited. */
export function useRefreshed<M extends keyof Methods>(
  method: M,
  params: Methods[M]["params"],
  { everyMs, isHeld = false, timeoutMs }: Manner,
): Asked<Methods[M]["result"]> {
  type Result = Methods[M]["result"];
  const [state, setState] = useState<Omit<Asked<Result>, "again">>(UNASKED);
  const [round, setRound] = useState(0);
  const ready = useCell(isReady);
  const asOf = useAsOf();
  const beat = useContext(Beat);
  const key = JSON.stringify([method, params, asOf]);
  const told = useRef({ key: "", beat: -1, atMs: Number.NEGATIVE_INFINITY, round: 0 });
  const isBusy = useRef<string | null>(null);
  const [freed, setFreed] = useState(0);

  // biome-ignore lint/correctness/useExhaustiveDependencies: `key` stands for method, params and instant; `freed` looks again after an answer
  useEffect(() => {
    if (!ready || isHeld) return;
    const last = told.current;
    const isNew = last.key !== key || last.round !== round;
    if (!isNew && last.beat === beat) return;
    if (isBusy.current === key && !isNew) return;
    let isCurrent = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const put = async (tries: number): Promise<void> => {
      if (document.hidden) {
        timer = setTimeout(() => void put(tries), 500);
        return;
      }
      const isOther = told.current.key !== key;
      told.current = { key, beat, atMs: performance.now(), round };
      isBusy.current = key;
      setState((before) => ({
        result: isOther ? null : before.result,
        error: isOther ? null : before.error,
        isAsking: true,
        waitsUntilMs: null,
      }));
      try {
        const sent = timeoutMs === undefined ? {} : { timeoutMs };
        const result = await ask(method, params, sent);
        if (told.current.key !== key) return;
        setState({ result, error: null, isAsking: false, waitsUntilMs: null });
      } catch (thrown) {
        if (told.current.key !== key) return;
        const error = asFailure(thrown);
        const wait = creditWaitMs(error);
        if (wait !== null && tries < TRIES_MAX) {
          const waitsUntilMs = performance.now() + wait;
          setState((before) => ({ ...before, isAsking: true, waitsUntilMs }));
          setTimeout(() => {
            if (told.current.key === key) void put(tries + 1);
          }, wait);
          return;
        }
        setState((before) => ({ ...before, error, isAsking: false, waitsUntilMs: null }));
      }
      isBusy.current = null;
      setFreed((n) => n + 1);
    };
    const due = isNew ? 0 : Math.max(0, last.atMs + everyMs - performance.now());
    timer = setTimeout(() => {
      if (isCurrent) void put(0);
    }, due);
    return () => {
      isCurrent = false;
      clearTimeout(timer);
    };
  }, [key, ready, isHeld, beat, round, freed, everyMs, timeoutMs]);

  const again = useCallback(() => setRound((n) => n + 1), []);
  return { ...state, again };
}

const UNASKED = { result: null, error: null, isAsking: false, waitsUntilMs: null };

export interface OnDemand<T> extends Omit<Asked<T>, "again"> {
  /** When the question was put, by performance.now(); null while none is under way. */
  askedAtMs: number | null;
  ask: () => void;
  /** Wait no longer: an answer that comes after all is dropped. */
  cancel: () => void;
}

/** Ask when told to, for what is heavy. Another question, or another instant, forgets the answer. */
export function useOnDemand<M extends keyof Methods>(
  method: M,
  params: Methods[M]["params"],
  timeoutMs = 60_000,
): OnDemand<Methods[M]["result"]> {
  type State = Omit<OnDemand<Methods[M]["result"]>, "ask" | "cancel">;
  const [state, setState] = useState<State>({ ...UNASKED, askedAtMs: null });
  const asOf = useAsOf();
  const key = JSON.stringify([method, params, asOf]);
  const turn = useRef(0);
  const question = useRef(params);
  question.current = params;

  const cancel = useCallback(() => {
    turn.current += 1;
    setState((before) => ({ ...before, isAsking: false, askedAtMs: null, waitsUntilMs: null }));
  }, []);
  const start = useCallback(() => {
    const mine = ++turn.current;
    const put = async (tries: number): Promise<void> => {
      if (mine !== turn.current) return;
      try {
        const result = await ask(method, question.current, { timeoutMs });
        if (mine !== turn.current) return;
        setState({ result, error: null, isAsking: false, askedAtMs: null, waitsUntilMs: null });
      } catch (thrown) {
        if (mine !== turn.current) return;
        const error = asFailure(thrown);
        const wait = creditWaitMs(error);
        if (wait !== null && tries < TRIES_MAX) {
          setState((before) => ({ ...before, waitsUntilMs: performance.now() + wait }));
          setTimeout(() => void put(tries + 1), wait);
          return;
        }
        setState((before) => ({
          ...before,
          error,
          isAsking: false,
          askedAtMs: null,
          waitsUntilMs: null,
        }));
      }
    };
    setState((before) => ({
      ...before,
      error: null,
      isAsking: true,
      askedAtMs: performance.now(),
      waitsUntilMs: null,
    }));
    void put(0);
  }, [method, timeoutMs]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `key` stands for the question
  useEffect(() => {
    turn.current += 1;
    setState({ ...UNASKED, askedAtMs: null });
  }, [key]);
  return { ...state, ask: start, cancel };
}

/** A value once it has stood still for so long. */
export function useSettled<T>(value: T, ms: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}

/** Whether an element is on the screen, or nearly. */
export function useSeen(element: RefObject<HTMLElement | null>): boolean {
  const [isSeen, setSeen] = useState(false);
  useEffect(() => {
    const found = element.current;
    if (!found) return;
    const observer = new IntersectionObserver(
      (entries) => setSeen(entries.some((entry) => entry.isIntersecting)),
      { rootMargin: "160px" },
    );
    observer.observe(found);
    return () => observer.disconnect();
  }, [element]);
  return isSeen;
}
