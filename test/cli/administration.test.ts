import { assert, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { run as gateway, temporary, upstream } from "../gateway/running.ts"
import { runProcess } from "./command.ts"
import { run } from "./inProcess.ts"

it.scopedLive("a gateway that runs is administered from afar, by who has a token", () =>
  Effect.gen(function*() {
    const running = yield* gateway({ limits: [{ name: "rate", by: "key", requestsPerMinute: 5 }] })
    const token = Redacted.value(yield* running.adminTokens.create("ops", "admin"))
    const cwd = yield* temporary
    const env = { MAJORDOMO_ADMIN_URL: running.adminUrl, MAJORDOMO_ADMIN_TOKEN: token }
    const well = (args: ReadonlyArray<string>, how = run, input?: string) =>
      Effect.map(how(args, { cwd, env, input }), ({ code, stderr, stdout }) => {
        assert.strictEqual(code, 0, stderr)
        assert.notInclude(stdout + stderr, token)
        return stdout + stderr
      })
    const created = yield* well(["keys", "create", "--name", "team", "--expires", "90d", "--models", "gpt-*"])
    const id = /key_[\w-]+/.exec(created)?.[0] ?? ""
    const secret = /mdm_sk_\w+/.exec(created)?.[0] ?? ""
    assert.isTrue((yield* running.apiKeys.verify(secret))._tag === "Some")
    writeFileSync(join(cwd, "settings.json"), JSON.stringify({ models: { quick: "openai/gpt-4.1" } }))
    writeFileSync(join(cwd, "wrong.json"), JSON.stringify({ port: 1 }))
    yield* Effect.all([
      Effect.map(well(["keys", "revoke", id]), (said) => assert.include(said, "opens nothing")),
      Effect.map(well(["provider-keys", "set", "openai"], runProcess, "sk-kept"), (said) =>
        assert.include(said, "sealed")),
      Effect.map(well(["limits"]), (said) =>
        assert.include(said, "rate")),
      Effect.map(well(["settings", "set", "settings.json", "--expected", "0"]), (said) =>
        assert.include(said, "version 1")),
      Effect.map(well(["erase", "user-id=42"]), (said) =>
        assert.include(said, "0 rows and 0 bodies"))
    ], { concurrency: 2, discard: true })
    assert.strictEqual((yield* running.apiKeys.verify(secret))._tag, "None")
    const page = yield* upstream((_, response) =>
      response.end("<html>")
    )
    const failing = [
      [["keys", "list"], { ...env, MAJORDOMO_ADMIN_TOKEN: "mdm_at_no" }, 1, "missing or not valid"],
      [["keys", "list"], { ...env, MAJORDOMO_ADMIN_URL: page.url }, 1, "does not answer as a gateway"],
      [["settings", "set", "settings.json", "--expected", "0"], env, 1, "changed meanwhile"],
      [["settings", "set", "wrong.json"], env, 1, "wrong.json: port"],
      [["limits"], {}, 2, "--url"]
    ] as const
    yield* Effect.forEach(failing, ([args, env, code, said]) =>
      Effect.map(run(args, { cwd, env }), (ended) => {
        assert.strictEqual(ended.code, code, ended.stderr)
        assert.include(ended.stderr, said)
      }), { concurrency: 2, discard: true })
    const audited = yield* well(["audit"])
    for (const what of ["key.create", "key.revoke", "provider-key.set", "settings.set", "rows.erase"]) {
      assert.include(audited, what)
    }
  }), 90_000)
