import { describe, expect, test } from "vitest";
import { CallFailure } from "../src/data/errors";
import { type Keeper, Session, type Tokens, takeLoginCode } from "../src/data/session";
import { FakeClock } from "./fakes";

const tokens = (n: number): Tokens => ({
  access_token: `access ${n}`,
  refresh_token: `refresh ${n}`,
  expires_in: 900,
  scope: "read risk",
});

function keeper(token: string | null = null): Keeper & { token: string | null } {
  return {
    token,
    read() {
      return this.token;
    },
    write(next) {
      this.token = next;
    },
  };
}

describe("PAGE-018", () => {
  const place = (hash: string) => {
    const replaced: string[] = [];
    const location = { hash, pathname: "/accounts", search: "?as_of=7" } as Location;
    const history = {
      state: null,
      replaceState: (_state: unknown, _title: string, path: string) => replaced.push(path),
    } as unknown as History;
    return { code: takeLoginCode(location, history), replaced };
  };

  test("the code is taken out of the address, query and path stay", () => {
    expect(place("#login=0af3")).toEqual({ code: "0af3", replaced: ["/accounts?as_of=7"] });
  });

  test("a code of other letters is taken out as well, and not used", () => {
    expect(place("#login=<b>")).toEqual({ code: null, replaced: ["/accounts?as_of=7"] });
  });

  test("another fragment is left alone", () => {
    expect(place("#main")).toEqual({ code: null, replaced: [] });
  });
});

describe("PAGE-019", () => {
  test("a login keeps the refresh token for the tab, and the connection proves with it", async () => {
    const kept = keeper();
    const asked: object[] = [];
    const session = new Session(
      async () => tokens(1),
      async (_method, params) => {
        asked.push(params);
        return tokens(2);
      },
      kept,
      () => 0,
      () => {},
    );
    expect(session.standing.get().kind).toBe("nobody");
    await session.login({ grant_type: "page_code", code: "0af3" });
    expect(kept.token).toBe("refresh 1");
    expect(await session.prove()).toBe(true);
    expect(asked).toEqual([{ grant_type: "refresh_token", refresh_token: "refresh 1" }]);
    expect(kept.token).toBe("refresh 2");
    expect(session.standing.get()).toEqual({ kind: "proven", scope: "read risk" });
  });

  test("two proofs at once use the token once", async () => {
    let asked = 0;
    const session = new Session(
      async () => tokens(1),
      async () => tokens(++asked + 1),
      keeper("refresh 0"),
      () => 0,
      () => {},
    );
    await Promise.all([session.prove(), session.prove()]);
    expect(asked).toBe(1);
  });

  test("a refused token logs out, a lost connection does not", async () => {
    const kept = keeper("refresh 0");
    let failure = new CallFailure("disconnected", 0, "lost", "", "");
    const session = new Session(
      async () => tokens(1),
      async () => {
        throw failure;
      },
      kept,
      () => 0,
      () => {},
    );
    expect(await session.prove()).toBe(false);
    expect(kept.token).toBe("refresh 0");
    failure = new CallFailure("refused", 13009, "void", "", "");
    expect(await session.prove()).toBe(false);
    expect(kept.token).toBe(null);
    expect(session.standing.get()).toMatchObject({ kind: "nobody", because: { reason: "void" } });
  });

  test("tokens are renewed before they end", async () => {
    const clock = new FakeClock();
    let asked = 0;
    const session = new Session(
      async () => tokens(1),
      async () => tokens(++asked + 1),
      keeper(),
      clock.after,
      clock.cancel,
    );
    await session.login({ grant_type: "page_code", code: "0af3" });
    clock.pass(629_000);
    expect(asked).toBe(0);
    clock.pass(2_000);
    expect(asked).toBe(1);
  });
});
