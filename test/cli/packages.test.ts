import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { load } from "../../src/cli/database.ts"
import { installing } from "../../src/cli/packages.ts"

const { peerDependencies }: { readonly peerDependencies: Readonly<Record<string, string>> } = JSON.parse(
  readFileSync(new URL("../../package.json", import.meta.url), "utf8")
)

it.effect("says what to install in a version that fits: the newest may be for another Effect", () =>
  Effect.gen(function*() {
    const missing = new Error("Cannot find package '@effect/sql-pg' imported from there")
    const { message } = yield* Effect.flip(load(() => Promise.reject(missing)))
    assert.strictEqual(message, "@effect/sql-pg is missing: npm install @effect/sql-pg@0.53")
  }))

it("each version is that of the peer, on the command line and in the manual", () => {
  const manual = readFileSync(new URL("../../README.md", import.meta.url), "utf8")
  const names = Object.keys(peerDependencies).filter((name) => /^@effect\/(cli|printer|sql|experimental)/.test(name))
  assert.lengthOf(names, 4)
  for (const name of names) {
    const [, version = ""] = /@([\d.]+)$/.exec(installing(name)) ?? []
    // The newest of those that will do.
    assert.strictEqual(peerDependencies[name]?.split(" || ").at(-1), `^${version}.0`)
    assert.include(manual, `${name}@${version}`)
  }
})
