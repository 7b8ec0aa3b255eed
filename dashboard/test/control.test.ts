import { describe, expect, test } from "vitest";
import { addressOf, Control, isUncertain, type Outside, type Proof } from "../src/data/control";
import { CallFailure, isForbidden, isUnproven } from "../src/data/errors";

interface Sent {
  path: string;
  method: string;
  headers: Record<string, string>;
  body: string | null;
}

type Answer = Response | "lost";

/** A service that answers what it is told to, in turn, and remembers what it was sent. */
function service(answers: Answer[]): { outside: Outside; sent: Sent[]; waits: number[] } {
  const sent: Sent[] = [];
  const waits: number[] = [];
  let keys = 0;
  const outside: Outside = {
    fetch: async (path, request) => {
      sent.push({
        path,
        method: request.method ?? "GET",
        headers: { ...(request.headers as Record<string, string>) },
        body: (request.body as string | undefined) ?? null,
      });
      const answer = answers.shift();
      if (!answer || answer === "lost") throw new TypeError("network");
      return answer;
    },
    key: () => `key-${++keys}`,
    wait: async (ms) => {
      waits.push(ms);
    },
  };
  return { outside, sent, waits };
}

const json = (body: object, status = 200, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify(body), { status, headers });

const problem = (status: number, code: string, more: object = {}) =>
  json(
    { status, code, detail: `${code} happened`, rule: "a rule", cure: "a cure", ...more },
    status,
  );

function proof(
  token: string | null = "t1",
  next: string | null = "t2",
): Proof & { proved: number } {
  const found = {
    accessToken: token,
    proved: 0,
    async prove() {
      found.proved += 1;
      found.accessToken = next;
      return next !== null;
    },
  };
  return found;
}

const DONE = { seq: 4711, position: 8123, time_us: 5 };
const HALT = { kind: "halt", scope: "venue", reason: "why" } as const;

async function failureIn(promise: Promise<unknown>): Promise<CallFailure> {
  const thrown = await promise.then(
    () => null,
    (error) => error,
  );
  expect(thrown).toBeInstanceOf(CallFailure);
  return thrown;
}

describe("PAGE-070", () => {
  test("a write carries the token, a key of its own and its body", async () => {
    const { outside, sent } = service([json({ ...DONE, id: "halt-1" }, 201), json(DONE, 201)]);
    const control = new Control(proof(), outside);
    expect(await control.write("POST /halts", HALT)).toMatchObject({ seq: 4711, id: "halt-1" });
    await control.write("POST /halts/{control}/resume", { reason: "over" }, { control: "halt/1" });
    expect(sent[0]).toEqual({
      path: "/v1/halts",
      method: "POST",
      headers: {
        "idempotency-key": "key-1",
        "content-type": "application/json",
        authorization: "Bearer t1",
      },
      body: JSON.stringify(HALT),
    });
    expect(sent[1]?.path).toBe("/v1/halts/halt%2F1/resume");
    expect(sent[1]?.headers["idempotency-key"]).toBe("key-2");
  });

  test("an answer that was lost is asked for again under the same key, with the same body", async () => {
    const { outside, sent, waits } = service(["lost", "lost", json(DONE, 201)]);
    expect(await new Control(proof(), outside).write("POST /halts", HALT)).toEqual(DONE);
    expect(sent.map((each) => each.headers["idempotency-key"])).toEqual([
      "key-1",
      "key-1",
      "key-1",
    ]);
    expect(new Set(sent.map((each) => each.body)).size).toBe(1);
    expect(waits).toEqual([300, 600]);
  });

  test("where it stays lost, nobody knows whether it was done", async () => {
    const { outside, sent } = service(["lost", "lost", "lost", "lost"]);
    const failure = await failureIn(new Control(proof(), outside).write("POST /halts", HALT));
    expect(failure.kind).toBe("disconnected");
    expect(isUncertain(failure)).toBe(true);
    expect(sent).toHaveLength(4);
  });

  test("while the first is at work it is waited for", async () => {
    const { outside, sent, waits } = service([problem(409, "PLAN-E08"), json(DONE, 201)]);
    expect(await new Control(proof(), outside).write("POST /halts", HALT)).toEqual(DONE);
    expect(waits).toEqual([250]);
    expect(sent[1]?.headers["idempotency-key"]).toBe("key-1");
  });

  test("a refusal is final: nothing is sent again, and that it was not done is certain", async () => {
    const { outside, sent } = service([problem(409, "ADMT-E06")]);
    const failure = await failureIn(new Control(proof(), outside).write("POST /halts", HALT));
    expect(isUncertain(failure)).toBe(false);
    expect(sent).toHaveLength(1);
  });

  test("a service that has stopped did not do it, and the same key may be used", async () => {
    const { outside } = service([problem(503, "PLAN-E13")]);
    const failure = await failureIn(new Control(proof(), outside).write("POST /halts", HALT));
    expect(isUncertain(failure)).toBe(true);
  });
});

describe("PAGE-071", () => {
  test("a token that has ended is renewed once, and the request goes out again under its key", async () => {
    const who = proof();
    const { outside, sent } = service([problem(401, "ACCS-E30"), json(DONE, 201)]);
    expect(await new Control(who, outside).write("POST /halts", HALT)).toEqual(DONE);
    expect(sent.map((each) => each.headers.authorization)).toEqual(["Bearer t1", "Bearer t2"]);
    expect(sent.map((each) => each.headers["idempotency-key"])).toEqual(["key-1", "key-1"]);
    expect(who.proved).toBe(1);
  });

  test("twice refused is refused", async () => {
    const who = proof();
    const { outside, sent } = service([problem(401, "ACCS-E30"), problem(401, "ACCS-E30")]);
    const failure = await failureIn(new Control(who, outside).read("/halts"));
    expect(isUnproven(failure)).toBe(true);
    expect([who.proved, sent.length]).toEqual([1, 2]);
  });

  test("without a session nothing is sent again", async () => {
    const { outside, sent } = service([problem(401, "ACCS-E10")]);
    await failureIn(new Control(proof(null, null), outside).read("/halts"));
    expect(sent[0]?.headers.authorization).toBeUndefined();
    expect(sent).toHaveLength(1);
  });

  test("a problem is a failure with reason, rule, cure and code; faults of fields are its rule", async () => {
    const faults = [{ field: "body.reason", rule: "at least 1 character" }];
    const { outside } = service([
      problem(403, "ACCS-E53"),
      problem(403, "CTRL-E06"),
      problem(422, "PLAN-E04", { faults }),
      new Response("<html>", { status: 502 }),
    ]);
    const control = new Control(proof(), outside);
    const forbidden = await failureIn(control.read("/halts"));
    expect([forbidden.code, forbidden.reason, forbidden.rule, forbidden.cure]).toEqual([
      "ACCS-E53",
      "ACCS-E53 happened",
      "a rule",
      "a cure",
    ]);
    expect(isForbidden(forbidden)).toBe(true);
    // The engine's own refusal of the same person is told in its words, not as a want of rights.
    expect(isForbidden(await failureIn(control.read("/halts")))).toBe(false);
    const unfit = await failureIn(control.write("POST /halts", HALT));
    expect(unfit.rule).toBe("body.reason: at least 1 character");
    expect((await failureIn(control.read("/halts"))).reason).toBe("the service answered 502");
  });

  test("who has no credits left waits as long as the service says, if that is not long", async () => {
    const { outside, waits } = service([
      problem(429, "ACCS-E40", { retry_after_us: 200_000 }),
      json({ items: [], next: null }),
      problem(429, "ACCS-E40", { retry_after_us: 60_000_000 }),
    ]);
    const control = new Control(proof(), outside);
    await control.read("/halts");
    expect(waits).toEqual([230]);
    await failureIn(control.read("/halts"));
    expect(waits).toEqual([230]);
  });
});

describe("PAGE-072", () => {
  test("what has not changed is not sent again, and is of the new event", async () => {
    const body = { as_of_seq: 7, time_us: 1, is_on: false, restriction: null };
    const { outside, sent } = service([
      json(body, 200, { etag: 'W/"a"' }),
      new Response(null, { status: 304, headers: { "as-of-seq": "9" } }),
    ]);
    const control = new Control(proof(), outside);
    expect(await control.read("/kill-switch")).toEqual(body);
    expect(await control.read("/kill-switch")).toEqual({ ...body, as_of_seq: 9 });
    expect(sent[0]?.headers["if-none-match"]).toBeUndefined();
    expect(sent[1]?.headers["if-none-match"]).toBe('W/"a"');
  });

  test("a list is read to its end, page by page", async () => {
    const page = (n: number, next: string | null) =>
      json({ as_of_seq: n, time_us: n, items: [{ id: `halt-${n}` }], next });
    const { outside, sent } = service([page(1, "/v1/halts?cursor=b"), page(2, null)]);
    const found = await new Control(proof(), outside).readAll("/halts");
    expect(found.items.map((each) => each.id)).toEqual(["halt-1", "halt-2"]);
    expect(found.as_of_seq).toBe(1);
    expect(sent.map((each) => each.path)).toEqual(["/v1/halts?limit=500", "/v1/halts?cursor=b"]);
  });

  test("an address has its names encoded, and none may be missing", () => {
    expect(addressOf("/methods/{method}", { method: "a b" }, { version: "1/2" })).toBe(
      "/v1/methods/a%20b?version=1%2F2",
    );
    expect(() => addressOf("/methods/{method}", {}, {})).toThrow("needs method");
  });
});
