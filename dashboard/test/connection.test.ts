import { describe, expect, test } from "vitest";
import { backoffMs } from "../src/data/backoff";
import { Connection, TIMEOUT_MS } from "../src/data/connection";
import { CallFailure } from "../src/data/errors";
import { FakeClock, fakeSurroundings, settle } from "./fakes";

function connected() {
  const clock = new FakeClock();
  const world = fakeSurroundings(clock);
  const connection = new Connection(world.around);
  connection.start();
  world.latest().open();
  return { clock, connection, ...world };
}

const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => null,
    (error) => error as CallFailure,
  );

describe("PAGE-010", () => {
  test("answers find their questions by id, in any order", async () => {
    const { connection, latest } = connected();
    const first = connection.call("public/ticker", { instrument_name: "a" });
    const second = connection.call("public/get_time", {});
    latest().answer("public/get_time", 7);
    latest().answer("public/ticker", { mark_price: 1 });
    expect(await second).toBe(7);
    expect(await first).toEqual({ mark_price: 1 });
  });

  test("a refusal carries reason, rule, cure and code", async () => {
    const { connection, latest } = connected();
    const asked = failureOf(connection.call("private/cure", {}));
    const data = { reason: "no scope", code: "RPCJ-E10", rule: "needs risk", cure: "another key" };
    latest().refuse("private/cure", { code: 13021, message: "forbidden", data });
    const failure = await asked;
    expect(failure).toBeInstanceOf(CallFailure);
    expect(failure).toMatchObject({
      kind: "refused",
      number: 13021,
      reason: "no scope",
      rule: "needs risk",
      cure: "another key",
      code: "RPCJ-E10",
    });
  });

  test("an answer that is no JSON, and one to nobody, are passed over", async () => {
    const { connection, latest } = connected();
    const asked = connection.call("public/get_time", {});
    latest().onmessage?.({ data: "{" });
    latest().onmessage?.({ data: "[1]" });
    latest().tell({ jsonrpc: "2.0", id: 9_999, result: 1 });
    latest().answer("public/get_time", 3);
    expect(await asked).toBe(3);
  });
});

describe("PAGE-011", () => {
  test("a call that is not answered in time fails, and its late answer is dropped", async () => {
    const { clock, connection, latest } = connected();
    const asked = failureOf(connection.call("public/get_time", {}));
    clock.pass(TIMEOUT_MS - 1);
    latest().tell({ jsonrpc: "2.0", method: "heartbeat", params: { type: "heartbeat" } });
    clock.pass(1);
    expect(await asked).toMatchObject({ kind: "timeout" });
    latest().answer("public/get_time", 3);
    expect(connection.link.get().kind).toBe("open");
  });
});

describe("PAGE-012", () => {
  test("a lost connection fails what waits and comes back by itself", async () => {
    const { clock, connection, sockets, latest } = connected();
    const asked = failureOf(connection.call("public/get_time", {}));
    latest().fall();
    expect(await asked).toMatchObject({ kind: "disconnected" });
    expect(connection.link.get()).toEqual({ kind: "disconnected", attempt: 1, retryAtMs: 375 });
    expect(await failureOf(connection.call("public/test", {}))).toMatchObject({
      kind: "disconnected",
    });
    clock.pass(374);
    expect(sockets).toHaveLength(1);
    clock.pass(1);
    expect(sockets).toHaveLength(2);
    latest().open();
    expect(connection.link.get().kind).toBe("open");
  });

  test("waits double up to fifteen seconds, half of each drawn by chance", () => {
    expect([0, 1, 2, 3].map((n) => backoffMs(n, 1))).toEqual([500, 1_000, 2_000, 4_000]);
    expect([0, 1, 2, 3].map((n) => backoffMs(n, 0))).toEqual([250, 500, 1_000, 2_000]);
    expect(backoffMs(50, 1)).toBe(15_000);
  });

  test("only what is heard ends the growing of the waits", () => {
    const { clock, connection, latest } = connected();
    for (let i = 0; i < 3; i++) {
      latest().fall();
      clock.pass(60_000);
      latest().open();
    }
    latest().fall();
    expect(connection.link.get()).toMatchObject({ attempt: 4 });
    clock.pass(60_000);
    latest().open();
    latest().answer("public/set_heartbeat", "ok");
    latest().fall();
    expect(connection.link.get()).toMatchObject({ attempt: 1 });
  });

  test("stopping leaves for good", () => {
    const { clock, connection, sockets, latest } = connected();
    connection.stop();
    expect(latest().isClosed).toBe(true);
    clock.pass(600_000);
    expect(sockets).toHaveLength(1);
  });
});

describe("PAGE-013", () => {
  test("heartbeats are asked for, and a test request is answered", async () => {
    const { latest } = connected();
    expect(latest().last("public/set_heartbeat").params).toEqual({ interval: 10 });
    latest().tell({ jsonrpc: "2.0", method: "heartbeat", params: { type: "test_request" } });
    await settle();
    expect(latest().last("public/test").params).toEqual({});
  });

  test("a connection on which nothing comes is replaced", () => {
    const { clock, connection, sockets, latest } = connected();
    clock.pass(24_000);
    latest().tell({ jsonrpc: "2.0", method: "heartbeat", params: { type: "heartbeat" } });
    clock.pass(24_000);
    expect(connection.link.get().kind).toBe("open");
    clock.pass(6_000);
    expect(sockets[0]?.isClosed).toBe(true);
    clock.pass(1_000);
    expect(sockets).toHaveLength(2);
  });
});
