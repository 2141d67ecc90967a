import { assert, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { run as gateway, temporary, upstream } from "../gateway/running.ts"
import { run } from "./command.ts"

it.scopedLive("a gateway that runs is administered from afar, by who has a token", () =>
  Effect.gen(function*() {
    const running = yield* gateway({ limits: [{ name: "rate", by: "key", requestsPerMinute: 5 }] })
    const token = Redacted.value(yield* running.adminTokens.create("ops", "admin"))
    const cwd = yield* temporary
    const env = { MAJORDOMO_ADMIN_URL: running.adminUrl, MAJORDOMO_ADMIN_TOKEN: token }
    const command = (args: ReadonlyArray<string>, more: { readonly input?: string; readonly env?: typeof env } = {}) =>
      run(args, { cwd, env, ...more })
    const well = (args: ReadonlyArray<string>, input?: string) =>
      Effect.map(command(args, input === undefined ? {} : { input }), ({ code, stderr, stdout }) => {
        assert.strictEqual(code, 0, stderr)
        assert.notInclude(stdout + stderr, token)
        return stdout + stderr
      })
    const created = yield* well(["keys", "create", "--name", "team", "--expires", "90d", "--models", "gpt-*"])
    const id = /key_[\w-]+/.exec(created)?.[0] ?? ""
    const secret = /mdm_sk_\w+/.exec(created)?.[0] ?? ""
    assert.isTrue((yield* running.apiKeys.verify(secret))._tag === "Some")
    assert.include(yield* well(["keys", "list"]), id)
    assert.match(yield* well(["keys", "rotate", id, "--overlap", "0h"]), /mdm_sk_/)
    yield* well(["keys", "revoke", id])
    assert.include(yield* well(["provider-keys", "set", "openai"], "sk-kept"), "sealed")
    assert.include(yield* well(["provider-keys", "list"]), "openai")
    yield* well(["provider-keys", "remove", "openai"])
    assert.include((yield* command(["provider-keys", "remove", "openai"])).stderr, "no key of openai is kept")
    assert.include(yield* well(["limits"]), "rate")
    writeFileSync(join(cwd, "settings.json"), JSON.stringify({ models: { quick: "openai/gpt-4.1" } }))
    assert.include(yield* well(["settings", "set", "settings.json", "--expected", "0"]), "version 1")
    assert.include(yield* well(["settings", "show"]), "quick")
    assert.include(
      (yield* command(["settings", "set", "settings.json", "--expected", "0"])).stderr,
      "changed meanwhile"
    )
    writeFileSync(join(cwd, "wrong.json"), JSON.stringify({ port: 1 }))
    assert.include((yield* command(["settings", "set", "wrong.json"])).stderr, "wrong.json: port")
    yield* well(["settings", "restore", "0"])
    assert.include(yield* well(["settings", "versions"]), "ops")
    assert.match(yield* well(["tokens", "create", "--name", "eve"]), /mdm_at_/)
    assert.include(yield* well(["tokens", "list"]), "eve")
    yield* well(["tokens", "revoke", "eve"])
    assert.include(yield* well(["audit"]), "settings.restore")
    assert.include(yield* well(["erase", "user-id=42"]), "0 rows and 0 bodies")
    assert.strictEqual((yield* command(["erase", "user-id"])).code, 2)

    const wrong = yield* command(["keys", "list"], { env: { ...env, MAJORDOMO_ADMIN_TOKEN: "mdm_at_no" } })
    assert.deepStrictEqual([wrong.code, wrong.stderr.includes("missing or not valid")], [1, true])
    const page = yield* upstream((_, response) => response.end("<html>"))
    const other = yield* command(["keys", "list"], { env: { ...env, MAJORDOMO_ADMIN_URL: page.url } })
    assert.include(other.stderr, "does not answer as a gateway does")
    const nobody = yield* run(["limits"], { cwd })
    assert.deepStrictEqual([nobody.code, nobody.stderr.includes("--url")], [2, true])
  }), 90_000)
