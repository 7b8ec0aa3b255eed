/** Moving the page through time: wishes of a slider as they come, the latest of them first. */

import { useCallback, useEffect, useRef, useState } from "react";
import { useAsOf, useCell } from "../../data/hooks";
import { type Journey, journey } from "../../data/journey";
import { goToInstant } from "../../shell/router";
import { Player } from "./player";
import type { Scale } from "./scale";

export interface Travel {
  /** The event that is wished for and not yet gone to, null where there is none. */
  wished: number | null;
  going: Journey | null;
  /** Go as soon as the way under way has ended; a later wish takes the place of this one. */
  wish: (seq: number) => void;
}

export function useTravel(): Travel {
  const asOf = useAsOf();
  const going = useCell(journey);
  const [wished, setWished] = useState<number | null>(null);
  useEffect(() => {
    if (going !== null || wished === null) return;
    if (wished === asOf) setWished(null);
    else goToInstant(wished, asOf !== null);
  }, [going, wished, asOf]);
  // The way back to now, and whatever else goes to an instant, overrules what was wished.
  const before = useRef(asOf);
  useEffect(() => {
    if (before.current !== asOf && asOf === null) setWished(null);
    before.current = asOf;
  }, [asOf]);
  const wish = useCallback((seq: number) => setWished(seq), []);
  return { wished, going, wish };
}

const TICK_MS = 60;

/** Play from the event that is shown until the end, a failure, or `speed` is null. */
export function usePlaying(
  speed: number | null,
  from: number,
  scale: Scale,
  wish: (seq: number) => void,
  stop: () => void,
): void {
  const asOf = useAsOf();
  const going = useCell(journey);
  const player = useRef<Player | null>(null);
  const start = useRef(from);
  start.current = from;
  const known = useRef(scale);
  known.current = scale;
  useEffect(() => {
    if (speed === null) return;
    const made = new Player(start.current, speed, performance.now(), known.current);
    player.current = made;
    const timer = setInterval(() => {
      const seq = made.due(performance.now(), known.current);
      if (seq !== null) wish(seq);
      else if (made.isAtEnd(known.current)) stop();
    }, TICK_MS);
    return () => {
      player.current = null;
      clearInterval(timer);
    };
  }, [speed, wish, stop]);
  useEffect(() => {
    if (going === null && asOf !== null) player.current?.arrived(asOf);
  }, [going, asOf]);
}
