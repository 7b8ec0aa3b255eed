import { describe, expect, test } from "vitest";
import { Channels, type Wire } from "../src/data/channels";
import { Coalescer } from "../src/data/emitter";
import { CallFailure } from "../src/data/errors";
import { mergedAccount, mergedSurface } from "../src/data/merging";
import { appended } from "../src/data/store";
import type { AccountData, SurfaceData } from "../src/wire";
import { FakeClock, settle } from "./fakes";

function channels(refused: string[] = []) {
  const asked: string[] = [];
  const wire: Wire = {
    subscribe: async (names) => {
      asked.push(`+${names.join(",")}`);
      if (names.some((name) => refused.includes(name))) {
        throw new CallFailure("refused", 13021, "not allowed", "", "");
      }
    },
    unsubscribe: async (names) => {
      asked.push(`-${names.join(",")}`);
    },
  };
  const made = new Channels(wire, 0);
  return { made, asked };
}

const snapshot = (id: number) => ({ type: "snapshot", change_id: id, previous_change_id: null });
const change = (id: number, before = id - 1) => ({
  type: "change",
  change_id: id,
  previous_change_id: before,
});

describe("PAGE-014", () => {
  test("changes that follow each other are applied in order", () => {
    const { made } = channels();
    const told: [unknown, boolean][] = [];
    made.opened();
    made.read("accounts.200ms", (data, isSnapshot) => told.push([data, isSnapshot]));
    made.told("accounts.200ms", snapshot(4));
    made.told("accounts.200ms", change(5));
    made.told("accounts.200ms", change(9, 5));
    expect(told.map(([, isSnapshot]) => isSnapshot)).toEqual([true, false, false]);
    expect(made.gaps).toBe(0);
  });

  test("a gap drops the change and subscribes anew, and nothing counts before the snapshot", async () => {
    const { made, asked } = channels();
    const told: unknown[] = [];
    made.opened();
    made.read("accounts.200ms", (data) => told.push(data));
    await settle();
    made.told("accounts.200ms", snapshot(4));
    made.told("accounts.200ms", change(6));
    made.told("accounts.200ms", change(7));
    await settle();
    expect(made.gaps).toBe(1);
    expect(told).toHaveLength(1);
    expect(asked).toEqual(["+accounts.200ms", "-accounts.200ms", "+accounts.200ms"]);
    made.told("accounts.200ms", snapshot(8));
    made.told("accounts.200ms", change(9));
    expect(told).toHaveLength(3);
  });

  test("a snapshot unasked for, as a slow reader is sent, begins anew", () => {
    const { made } = channels();
    const told: boolean[] = [];
    made.opened();
    made.read("accounts.200ms", (_data, isSnapshot) => told.push(isSnapshot));
    made.told("accounts.200ms", snapshot(4));
    made.told("accounts.200ms", snapshot(40));
    made.told("accounts.200ms", change(41));
    expect(told).toEqual([true, true, false]);
    expect(made.gaps).toBe(0);
  });
});

describe("PAGE-015", () => {
  test("all that is wanted is subscribed to together, and anew after the connection was lost", async () => {
    const { made, asked } = channels();
    made.read("overview.500ms", () => {});
    made.read("events.200ms", () => {});
    await settle();
    expect(asked).toEqual([]);
    made.opened();
    await settle();
    made.lost();
    made.opened();
    await settle();
    expect(asked).toEqual(["+overview.500ms,events.200ms", "+overview.500ms,events.200ms"]);
  });

  test("a change from before the loss is no change of after it", () => {
    const { made } = channels();
    const told: unknown[] = [];
    made.opened();
    made.read("events.200ms", (data) => told.push(data));
    made.told("events.200ms", snapshot(1));
    made.lost();
    made.opened();
    made.told("events.200ms", change(2));
    expect(told).toHaveLength(1);
  });

  test("a channel that nobody reads is left", async () => {
    const { made, asked } = channels();
    made.opened();
    const leave = made.read("events.200ms", () => {});
    await settle();
    leave();
    await new Promise((done) => setTimeout(done, 1));
    expect(asked).toEqual(["+events.200ms", "-events.200ms"]);
  });

  test("leaving for another instant unsubscribes from all, and begins anew there", async () => {
    const { made, asked } = channels();
    made.opened();
    made.read("events.200ms", () => {});
    await settle();
    await made.leave();
    made.opened();
    await settle();
    expect(asked).toEqual(["+events.200ms", "-events.200ms", "+events.200ms"]);
  });
});

describe("PAGE-016", () => {
  test("one channel that may not be read does not keep the others from coming", async () => {
    const { made, asked } = channels(["overview.500ms"]);
    let isTold = false;
    made.opened();
    made.read("overview.500ms", () => {
      isTold = true;
    });
    made.read("health.1000ms", () => {});
    await settle();
    expect(asked).toEqual(["+overview.500ms,health.1000ms", "+overview.500ms", "+health.1000ms"]);
    expect(made.word("overview.500ms")).toMatchObject({
      kind: "failed",
      error: { reason: "not allowed" },
    });
    expect(isTold).toBe(true);
    expect(made.word("health.1000ms")).toEqual({ kind: "waiting" });
  });
});

describe("PAGE-017", () => {
  test("a thousand messages a second make five flushes, and the last is shown", () => {
    const clock = new FakeClock();
    let state = 0;
    const shown: number[] = [];
    const coalescer = new Coalescer(() => shown.push(state), 200, clock.frames());
    for (let ms = 0; ms < 1_000; ms++) {
      state += 1;
      coalescer.mark();
      clock.pass(1);
    }
    clock.pass(300);
    expect(shown.length).toBeLessThanOrEqual(6);
    expect(shown.at(-1)).toBe(1_000);
  });
});

describe("PAGE-021", () => {
  test("lines are added at the end and the oldest forgotten", () => {
    const apply = appended<"events", number>("events", 3);
    const first = apply(null, { events: [1, 2] }, true);
    const second = apply(first, { events: [3, 4] }, false);
    expect(second.events).toEqual([2, 3, 4]);
    expect(apply(second, { events: [9] }, true).events).toEqual([9]);
  });

  test("smiles that changed replace theirs, those that are gone go", () => {
    const smile = (expiry_us: number, forward_price: number) => ({ expiry_us, forward_price });
    const surface = (smiles: object[], gone: number[] = []) =>
      ({ asset: "BTC", smiles, gone }) as unknown as SurfaceData;
    const before = surface([smile(1, 10), smile(3, 30)]);
    const after = mergedSurface(before, surface([smile(3, 31), smile(2, 20)], [1]), false);
    expect(after.smiles).toEqual([smile(2, 20), smile(3, 31)]);
  });

  test("positions stay where a change has none", () => {
    const account = (positions: unknown[] | null) => ({ positions }) as unknown as AccountData;
    expect(mergedAccount(account(["held"]), account(null), false).positions).toEqual(["held"]);
    expect(mergedAccount(account(["held"]), account([]), false).positions).toEqual([]);
  });
});
