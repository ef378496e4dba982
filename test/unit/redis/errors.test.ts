import { describe, expect, test } from "@jest/globals";
import { UeeError } from "../../../src/core/errors.ts";
import { isRedisTrouble, mapRedisError } from "../../../src/redis/errors.ts";

const coded = (message: string, code: string) => Object.assign(new Error(message), { code });

describe("an error of a Redis call", () => {
  test.each([
    ["OOM command not allowed when used memory > 'maxmemory'.", "SYS_REDIS_TROUBLE"],
    [
      "OOM command not allowed when used memory > 'maxmemory'. script: 1f, on @user_script:3.",
      "SYS_REDIS_TROUBLE",
    ],
    ["ERR Error running script (call to f_1): @user_script:1: -OOM command not allowed", "SYS_REDIS_TROUBLE"],
    ["MISCONF Redis is configured to save RDB snapshots", "SYS_REDIS_TROUBLE"],
    ["READONLY You can't write against a read only replica.", "SYS_REDIS_TROUBLE"],
    ["LOADING Redis is loading the dataset in memory", "SYS_REDIS_TROUBLE"],
    ["NOREPLICAS Not enough good replicas to write.", "SYS_REDIS_TROUBLE"],
    ["BUSY Redis is busy running a script.", "SYS_REDIS_TROUBLE"],
    ["ERR max number of clients reached", "SYS_REDIS_TROUBLE"],
    ["MOVED 3999 127.0.0.1:6381", "SYS_REDIS_TROUBLE"],
    ["ASK 3999 127.0.0.1:6381", "SYS_REDIS_TROUBLE"],
    ["TRYAGAIN Multiple keys request during rehashing of slot", "SYS_REDIS_TROUBLE"],
    ["CLUSTERDOWN The cluster is down", "SYS_REDIS_TROUBLE"],
    ["UNBLOCKED force unblock from blocking operation, instance state changed", "SYS_REDIS_TROUBLE"],
    ["CROSSSLOT Keys in request don't hash to the same slot", "SYS_REDIS_UNFIT"],
    ["ERR This instance has cluster support disabled", "SYS_REDIS_UNFIT"],
    ["NOAUTH Authentication required.", "SYS_REDIS_AUTH"],
    ["WRONGPASS invalid username-password pair or user is disabled.", "SYS_REDIS_AUTH"],
    ["NOPERM this user has no permissions to run the 'config|get' command", "SYS_REDIS_AUTH"],
    ["ERR ACL failure in script: User u has no permissions to run the 'del' command", "SYS_REDIS_AUTH"],
    ["ERR The user executing the script can't access at least one of the keys mentioned", "SYS_REDIS_AUTH"],
    ["Connection is closed.", "SYS_REDIS_UNREACHABLE"],
    ["Socket timeout. Expecting data, but didn't receive any in 30000ms.", "SYS_REDIS_UNREACHABLE"],
    ["All sentinels are unreachable. Retrying from scratch after 10ms.", "SYS_REDIS_UNREACHABLE"],
    ["WRONGTYPE Operation against a key holding the wrong kind of value", "STOR_CORRUPT"],
    ["ERR BUSYGROUP is not what this is", "SYS_INTERNAL"],
  ])("%s is %s", (message, code) => {
    expect(mapRedisError(new Error(message)).code).toBe(code);
  });

  test.each(["ECONNREFUSED", "ECONNRESET", "EPIPE", "ENOENT", "ENOTFOUND", "EAI_AGAIN", "ETIMEDOUT"])(
    "socket code %s means unreachable",
    (code) => {
      expect(mapRedisError(coded("x", code)).code).toBe("SYS_REDIS_UNREACHABLE");
    },
  );

  test("a refused certificate points to the setting for a private CA", () => {
    const mapped = mapRedisError(coded("self-signed certificate in chain", "SELF_SIGNED_CERT_IN_CHAIN"));
    expect(mapped.code).toBe("SYS_REDIS_UNREACHABLE");
    expect(mapped.detail).toContain("REDIS_TLS_CA");
  });

  test("localhost refused on both of its addresses means unreachable", () => {
    const error = new AggregateError([coded("connect ECONNREFUSED ::1:1", "ECONNREFUSED"), new Error("b")]);
    expect(mapRedisError(error).code).toBe("SYS_REDIS_UNREACHABLE");
  });

  test("a transaction whose commands failed with the transaction's own error is read once", () => {
    const error: Error & { previousErrors?: Error[] } = new Error("Connection is closed.");
    error.previousErrors = [error, error];
    expect(mapRedisError(error).code).toBe("SYS_REDIS_UNREACHABLE");
  });

  test("a transaction that was refused counts as its first reason", () => {
    const error = Object.assign(new Error("EXECABORT Transaction discarded because of previous errors."), {
      previousErrors: [new Error("OOM command not allowed")],
    });
    expect(mapRedisError(error).code).toBe("SYS_REDIS_TROUBLE");
  });

  test("keeps nothing of the command, whose arguments may be the password", () => {
    const error = Object.assign(new Error("WRONGPASS invalid"), {
      command: { name: "auth", args: ["hunter2"] },
    });
    const mapped = mapRedisError(error);
    expect(
      JSON.stringify([mapped, mapped.cause, Object.getOwnPropertyDescriptors(mapped.cause)]),
    ).not.toContain("hunter2");
    expect(mapped.cause).toMatchObject({ message: "WRONGPASS invalid" });
  });

  test("only trouble that passes by itself is called trouble", () => {
    expect(isRedisTrouble(new Error("MISCONF x"))).toBe(true);
    expect(isRedisTrouble(new Error("Connection is closed."))).toBe(true);
    expect(isRedisTrouble(new Error("NOAUTH x"))).toBe(false);
    expect(isRedisTrouble(new TypeError("x is not a function"))).toBe(false);
  });

  test("an error that is ours already passes through", () => {
    const error = new UeeError("STOR_FENCED");
    expect(mapRedisError(error)).toBe(error);
  });
});
