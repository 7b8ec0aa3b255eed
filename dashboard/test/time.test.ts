import { beforeEach, describe, expect, test } from "vitest";
import { Channels } from "../src/data/channels";
import { timedOut } from "../src/data/errors";
import { arrived, departed, gaveUp, journey, progressed } from "../src/data/journey";
import { ChannelStore, replace } from "../src/data/store";
import { Player } from "../src/pages/time/player";
import {
  markBeside,
  placeOf,
  scaleOf,
  seqAtPlace,
  seqNear,
  stepped,
  timeOf,
  wishOf,
} from "../src/pages/time/scale";
import type { HistoryData, JournalMark, JournalSpan } from "../src/wire";
import { FakeClock } from "./fakes";

const NOON_US = Date.UTC(2026, 10, 21, 12) * 1_000;
const S = 1_000_000;
const mark = (seq: number, atS: number, kind = "liquidation"): JournalMark => ({
  seq,
  time_us: NOON_US + atS * S,
  kind,
  count: 1,
  text: "1 position closed in full liquidation",
});
const span: JournalSpan = {
  first_seq: 1,
  first_us: NOON_US,
  last_seq: 1_001,
  last_us: NOON_US + 100 * S,
  starts: [0, 500],
  seconds_per_event: 0.004,
  marks: [mark(101, 20), mark(301, 40), mark(302, 40, "debt")],
  marks_to_seq: 1_001,
  difference: "",
  difference_seq: 0,
  damages: [],
};
const past = { seq: [601], time_us: [NOON_US + 50 * S] } as unknown as HistoryData;

describe("PAGE-090", () => {
  const scale = scaleOf(span, past);

  test("what is known is met, and between two of it time passes evenly", () => {
    expect(scale.seqs).toEqual([1, 101, 301, 302, 601, 1_001]);
    expect(timeOf(scale, 101)).toBe(NOON_US + 20 * S);
    expect(timeOf(scale, 51)).toBe(NOON_US + 10 * S);
    expect(timeOf(scale, 801)).toBe(NOON_US + 75 * S);
    expect(seqNear(scale, NOON_US + 75 * S)).toBe(801);
    expect(placeOf(scale, 801)).toBe(0.75);
    expect(seqAtPlace(scale, 0.75)).toBe(801);
  });

  test("beyond its ends there is nothing", () => {
    expect(timeOf(scale, 0)).toBe(NOON_US);
    expect(seqNear(scale, NOON_US - S)).toBe(1);
    expect(placeOf(scale, 2_000)).toBe(1);
    expect(seqAtPlace(scale, -3)).toBe(1);
    expect(seqAtPlace(scale, 7)).toBe(1_001);
  });

  test("every event comes back from its place", () => {
    for (let seq = 1; seq <= 300; seq += 1)
      expect(seqAtPlace(scale, placeOf(scale, seq))).toBe(seq);
  });

  test("a journal of one event, or of none, has a slider that stands", () => {
    const one = { ...span, last_seq: 1, last_us: NOON_US, marks: [] };
    expect(placeOf(scaleOf(one, null), 1)).toBe(1);
    expect(seqAtPlace(scaleOf(one, null), 0.3)).toBe(1);
    const none = { ...one, first_seq: 0, first_us: 0, last_seq: 0, last_us: 0 };
    expect(seqAtPlace(scaleOf(none, null), 0.3)).toBe(0);
  });

  test("rows behind the span, as of a service that has gone on, are left out", () => {
    const later = { seq: [601, 1_200], time_us: [1, 2].map((n) => NOON_US + n) };
    expect(scaleOf(span, later as unknown as HistoryData).seqs.at(-1)).toBe(1_001);
  });
});

describe("PAGE-091", () => {
  test("arrows move an event, pages a hundred, Home and End to the ends, and no further", () => {
    expect(stepped("ArrowLeft", 500, span)).toBe(499);
    expect(stepped("ArrowUp", 500, span)).toBe(501);
    expect(stepped("PageDown", 500, span)).toBe(400);
    expect(stepped("PageUp", 950, span)).toBe(1_001);
    expect(stepped("PageDown", 50, span)).toBe(1);
    expect(stepped("Home", 500, span)).toBe(1);
    expect(stepped("End", 500, span)).toBe(1_001);
    expect(stepped("a", 500, span)).toBeNull();
  });

  test("marks lead on and back, and those of one kind are a choice of them", () => {
    expect(markBeside(span.marks, 101, 1)?.seq).toBe(301);
    expect(markBeside(span.marks, 301, 1)?.seq).toBe(302);
    expect(markBeside(span.marks, 101, -1)).toBeNull();
    expect(markBeside(span.marks, 1_001, -1)?.seq).toBe(302);
    expect(markBeside(span.marks, 302, 1)).toBeNull();
  });
});

describe("PAGE-092", () => {
  const wish = (text: string) => wishOf(text, NOON_US + 100 * S);

  test("an event is typed by its number, an instant as a time of UTC", () => {
    expect(wish("41200")).toEqual({ seq: 41_200 });
    expect(wish(" event 41,200 ")).toEqual({ seq: 41_200 });
    expect(wish("12:00:30")).toEqual({ timeUs: NOON_US + 30 * S });
    expect(wish("12:01 UTC")).toEqual({ timeUs: NOON_US + 60 * S });
    expect(wish("2026-11-21T12:00:30.25Z")).toEqual({ timeUs: NOON_US + 30.25 * S });
    expect(wish("2026-11-20 12:00:00")).toEqual({ timeUs: NOON_US - 86_400 * S });
  });

  test("what is neither is nothing", () => {
    for (const text of [
      "",
      "yesterday",
      "25:00:00",
      "12:60",
      "-4",
      "4.5",
      "4,20",
      "2026-13-01 10:00",
    ])
      expect(wish(text)).toBeNull();
  });
});

describe("PAGE-093", () => {
  const scale = scaleOf({ ...span, marks: [] }, null); // ten events a second

  test("one question is under way at a time, however long it takes", () => {
    const player = new Player(1, 1, 0, scale);
    expect(player.due(0, scale)).toBeNull();
    expect(player.due(200, scale)).toBe(3);
    for (let ms = 210; ms < 1_500; ms += 50) expect(player.due(ms, scale)).toBeNull();
    player.arrived(2); // an older one
    expect(player.due(1_500, scale)).toBeNull();
    player.arrived(3);
    expect(player.due(1_500, scale)).toBe(16);
  });

  test("it keeps the pace of the market, times its speed", () => {
    for (const speed of [1, 10, 60]) {
      const player = new Player(1, speed, 0, scale);
      let shown = 1;
      for (let ms = 0; ms <= 1_500; ms += 100) {
        const due = player.due(ms, scale);
        if (due === null) continue;
        shown = due;
        player.arrived(due);
      }
      expect(shown).toBe(Math.min(1_001, 1 + 15 * speed));
    }
  });

  test("an answer that takes long slows it down instead of making it leap", () => {
    const player = new Player(1, 10, 0, scale);
    expect(player.due(100, scale)).toBe(11);
    player.arrived(11);
    expect(player.due(60_000, scale)).toBe(211);
  });

  test("it ends at the last event", () => {
    const player = new Player(990, 60, 0, scale);
    expect(player.due(1_000, scale)).toBe(1_001);
    expect(player.isAtEnd(scale)).toBe(false);
    player.arrived(1_001);
    expect(player.isAtEnd(scale)).toBe(true);
    expect(player.due(2_000, scale)).toBeNull();
  });
});

describe("PAGE-094", () => {
  beforeEach(() => {
    gaveUp();
    departed(null);
    arrived(null);
  });

  test("a way ends where it leads, and nothing that is told of elsewhere ends it", () => {
    departed(7);
    arrived(6);
    expect(journey.get()).toEqual({ to: 7, from: null, fraction: null });
    arrived(7);
    expect(journey.get()).toBeNull();
    departed(9);
    expect(journey.get()?.from).toBe(7);
  });

  test("a new wish on the way keeps the place to turn back to", () => {
    departed(7);
    departed(8);
    expect(journey.get()).toEqual({ to: 8, from: null, fraction: null });
    arrived(7);
    expect(journey.get()?.to).toBe(8);
  });

  test("a channel that has no past shows why, and nothing of now", () => {
    const channels = new Channels({ subscribe: async () => {}, unsubscribe: async () => {} });
    const clock = new FakeClock();
    const store = new ChannelStore(channels, "account.late.200ms", replace, 200, clock.frames());
    store.subscribe(() => {});
    channels.opened();
    channels.told("account.late.200ms", { type: "snapshot", change_id: 4, equity: 12 });
    clock.pass(1_000);
    expect(store.get().data).toMatchObject({ equity: 12 });
    channels.failed("account.late.200ms", timedOut("it", 1));
    channels.failed("account.other.200ms", timedOut("it", 1));
    clock.pass(1_000);
    expect(store.get().data).toBeNull();
    expect(store.get().word.kind).toBe("failed");
    channels.told("account.late.200ms", { type: "snapshot", change_id: 9, equity: 7 });
    clock.pass(1_000);
    expect(store.get()).toMatchObject({ data: { equity: 7 }, word: { kind: "told" } });
  });

  test("progress never goes back and is of the event that is gone to", () => {
    departed(7);
    progressed(7, 0.5);
    progressed(7, 0.25);
    progressed(6, 0.9);
    expect(journey.get()?.fraction).toBe(0.5);
    gaveUp();
    progressed(7, 0.9);
    expect(journey.get()).toBeNull();
  });
});
