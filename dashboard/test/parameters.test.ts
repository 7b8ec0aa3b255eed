import { describe, expect, test } from "vitest";
import type { Parameter, ProposalTold } from "../src/control_wire";
import { heldBecause } from "../src/data/control_hooks";
import {
  addToDraft,
  changeLine,
  changesOf,
  draft,
  EMPTY,
  proposedOf,
  removeLine,
} from "../src/pages/parameters/draft";
import {
  approvalHeld,
  killSays,
  overrideSays,
  restrictionFault,
  restrictionSays,
} from "../src/pages/parameters/orders";
import {
  changeText,
  documented,
  isSame,
  type Leaf,
  leafAt,
  leavesOf,
  meaning,
  shownValue,
  tablesOf,
  typed,
} from "../src/pages/parameters/tree";

const leaf = (path: string, value: unknown, unit = ""): Parameter => ({
  name: path.split(".").at(-1) ?? "",
  path,
  unit,
  value,
  children: [],
});
const table = (path: string, children: Parameter[]): Parameter => ({
  name: path.split(".").at(-1) ?? "",
  path,
  unit: "",
  value: null,
  children,
});
const PPM = "parts per million";
const TIERS = [{ notional_usd_max: 25_000, initial_ppm: 30_000 }];
const TREE: Parameter[] = [
  table("levels", [leaf("levels.warning_ppm", 1_300_000, PPM)]),
  table("index", [
    table("index.default", [
      leaf("index.default.resume_us", 1_000_000, "microseconds"),
      leaf("index.default.averaging", "last"),
    ]),
  ]),
  table("underlying", [
    table("underlying.default", [
      leaf("underlying.default.range_ppm", 300_000, PPM),
      leaf("underlying.default.tiers", TIERS),
    ]),
    table("underlying.BTC", [leaf("underlying.BTC.range_ppm", 150_000, PPM)]),
  ]),
];
const LEAVES = leavesOf(TREE);
const at = (path: string): Leaf => leafAt(LEAVES, path) as Leaf;
const fault = (text: string, path: string) => {
  const found = typed(text, at(path));
  return "fault" in found ? found.fault : null;
};

describe("PAGE-073", () => {
  test("every number of the tree is a line in the table that it stands in", () => {
    expect(LEAVES.map((each) => each.path)).toEqual([
      "levels.warning_ppm",
      "index.default.resume_us",
      "index.default.averaging",
      "underlying.default.range_ppm",
      "underlying.default.tiers",
      "underlying.BTC.range_ppm",
    ]);
    expect(tablesOf(LEAVES).map((each) => each.table)).toEqual([
      "levels",
      "index.default",
      "underlying.default",
      "underlying.BTC",
    ]);
  });

  test("every word of a search is looked for in path, unit and value", () => {
    const found = (search: string) => tablesOf(LEAVES, search).flatMap((each) => each.leaves);
    expect(found("btc RANGE").map((each) => each.path)).toEqual(["underlying.BTC.range_ppm"]);
    expect(found("150,000").map((each) => each.path)).toEqual(["underlying.BTC.range_ppm"]);
    expect(found("warning ppm")).toHaveLength(1);
    expect(found("microseconds")).toHaveLength(1);
    expect(found("nothing of the kind")).toHaveLength(0);
  });

  test("an asset without a table of its own has the values of default", () => {
    expect(leafAt(LEAVES, "underlying.SOL.range_ppm")).toMatchObject({
      path: "underlying.SOL.range_ppm",
      value: 300_000,
      unit: PPM,
    });
    expect(leafAt(LEAVES, "underlying.BTC.tiers")).toBeNull();
    expect(leafAt(LEAVES, "levels.SOL.warning_ppm")).toBeNull();
    expect(leafAt(LEAVES, "underlying.SOL.nothing")).toBeNull();
  });

  test("a value is told with what it means and by how much it moves", () => {
    expect(meaning(150_000, PPM)).toBe("15 %");
    expect(meaning(1_250, PPM)).toBe("0.125 %");
    expect(meaning(100_000, "parts per billion")).toBe("0.01 %");
    expect(meaning(1_800_000_000, "microseconds")).toBe("30 min");
    expect(meaning(0, "microseconds")).toBe("at once");
    expect(meaning("last", "")).toBe("");
    expect(changeText(150_000, 180_000)).toBe("+20 %");
    expect(changeText(1_000_000, 990_000)).toBe("−1.00 %");
    expect(changeText(0, 5)).toBe("");
    expect([shownValue([-1, 0.5]), shownValue(TIERS), shownValue(null)]).toEqual([
      "−1, 0.5",
      "1 row",
      "–",
    ]);
  });

  test("a parameter has left its document where both state it in one form, and differ", () => {
    const document = {
      levels: { warning_ppm: 1_200_000 },
      underlying: { BTC: { range_ppm: [1] } },
    };
    expect(documented(document, at("levels.warning_ppm"))).toBe(1_200_000);
    expect(documented(document, at("underlying.BTC.range_ppm"))).toBeUndefined();
    expect(documented(document, at("index.default.resume_us"))).toBeUndefined();
    expect(documented(null, at("levels.warning_ppm"))).toBeUndefined();
    expect(isSame([1, 2], [1, 2])).toBe(true);
  });
});

describe("PAGE-074", () => {
  test("a number is read with its separators, and units that are counted are whole", () => {
    expect(typed("180,000", at("underlying.BTC.range_ppm"))).toEqual({ value: 180_000 });
    expect(typed("1_500_000", at("index.default.resume_us"))).toEqual({ value: 1_500_000 });
    expect(fault("180000.5", "underlying.BTC.range_ppm")).toBe(
      "parts per million are whole numbers",
    );
    expect(fault("−1", "underlying.BTC.range_ppm")).toBe("parts per million are not negative here");
    expect(fault("NaN", "underlying.BTC.range_ppm")).toBe("this is no number");
    expect(fault("1e5", "underlying.BTC.range_ppm")).toBe("this is no number");
    expect(fault("9007199254740993", "underlying.BTC.range_ppm")).not.toBeNull();
    expect(fault(" ", "underlying.BTC.range_ppm")).toBe("a value is needed");
  });

  test("a word is one word, and a list has the form of the one in force", () => {
    expect(typed(" twap ", at("index.default.averaging"))).toEqual({ value: "twap" });
    expect(fault("a b", "index.default.averaging")).toBe("this is one word");
    const rows = [{ notional_usd_max: 1, initial_ppm: 2 }];
    expect(typed(JSON.stringify(rows), at("underlying.default.tiers"))).toEqual({ value: rows });
    expect(fault('[{"initial_ppm": 2}]', "underlying.default.tiers")).toBe(
      "every row has initial_ppm, notional_usd_max",
    );
    expect(fault("[1]", "underlying.default.tiers")).not.toBeNull();
    expect(fault("{", "underlying.default.tiers")).toMatch(/JSON/);
  });

  test("a proposal is sent once every line has a new value that fits", () => {
    draft.set(EMPTY);
    addToDraft(at("underlying.BTC.range_ppm"));
    addToDraft(at("underlying.BTC.range_ppm"));
    addToDraft(at("levels.warning_ppm"));
    expect(draft.get().lines.map((line) => line.text)).toEqual(["150000", "1300000"]);
    expect(changesOf(draft.get(), TREE)).toBeNull(); // these are the values in force
    changeLine("underlying.BTC.range_ppm", "180,000");
    expect(changesOf(draft.get(), TREE)).toBeNull();
    removeLine("levels.warning_ppm");
    const changes = changesOf(draft.get(), TREE);
    expect(changes).toEqual([{ path: "underlying.BTC.range_ppm", base: 150_000, value: 180_000 }]);
    const now = { ...draft.get(), reason: " a wilder market ", inMinutes: "5" };
    expect(proposedOf(changes ?? [], now, 1_000)).toEqual({
      changes: [{ path: "underlying.BTC.range_ppm", value: 180_000 }],
      reason: "a wilder market",
      effective_us: 300_001_000,
    });
    expect(
      proposedOf(changes ?? [], { ...now, inMinutes: "" }, 1_000).effective_us,
    ).toBeUndefined();
    draft.set(EMPTY);
  });
});

describe("PAGE-075", () => {
  const author: ProposalTold["author"] = "page:1-51b7";

  test("the proposer cannot approve, in whatever letters; another with the scope admin can", () => {
    const admin = new Set(["risk", "admin"]);
    expect(approvalHeld(author, author, admin)).toMatch(/another person/);
    expect(approvalHeld(author, " PAGE:1-51B7 ", admin)).toMatch(/another person/);
    expect(approvalHeld(author, "ann", new Set(["risk"]))).toMatch(/scope admin/);
    expect(approvalHeld(author, "ann", admin)).toBeNull();
  });

  test("back in time nothing is ordered, and the page says why", () => {
    expect(heldBecause(300, true)).toMatch(/back in time/);
    expect(heldBecause(null, false)).toMatch(/logged in/);
    expect(heldBecause(null, true)).toBeNull();
  });

  test("an order says what it will do before it is given", () => {
    const halt = { kind: "halt", scope: "underlying", subject: "BTC", reason: "r" } as const;
    expect(restrictionSays(halt).join(" ")).toMatch(
      /every new order on BTC is refused.*Liquidations go on.*until somebody resumes/,
    );
    const reduce = { ...halt, kind: "reduce_only", until_us: 1_767_225_600_000_000 } as const;
    expect(restrictionSays(reduce).join(" ")).toMatch(
      /only orders that reduce.*2026-01-01 00:00:00/,
    );
    expect(killSays({ mode: "freeze", reason: "r" }).join(" ")).toMatch(
      /Every resting order.*no order at all.*only two persons can lift/,
    );
    const hold = { kind: "withdrawal_hold", subject: "alice", reason: "r", until_us: 1 } as const;
    expect(overrideSays(hold).join(" ")).toMatch(
      /another person.*Nothing leaves the account alice/,
    );
  });

  test("a halt that the engine would refuse is not sent", () => {
    const halt = { kind: "halt", scope: "underlying", reason: "r" } as const;
    expect(restrictionFault(halt)).toBe("name the underlying");
    expect(restrictionFault({ ...halt, subject: "BTC" })).toBeNull();
    expect(restrictionFault({ ...halt, subject: "BTC", liquidations_held_until_us: 5 })).toMatch(
      /protect an asset/,
    );
    const venue = { kind: "halt", scope: "venue", reason: "r", until_us: 4 } as const;
    expect(restrictionFault({ ...venue, liquidations_held_until_us: 5 })).toMatch(/no longer than/);
    expect(restrictionFault({ ...venue, liquidations_held_until_us: 4 })).toBeNull();
  });
});
