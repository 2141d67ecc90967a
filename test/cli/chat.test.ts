import { FileSystem } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { FakeProvider } from "../../src/testing/index.ts"
import { begin, runProcess } from "./command.ts"
import { run } from "./inProcess.ts"

const key = "sk-canary-4f6c1d2e"
const env = { ANTHROPIC_API_KEY: key }
const timeout = { timeout: 60_000 }

const setUp = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.makeTempDirectoryScoped()
  const fake = yield* FakeProvider.make()
  const to = (...args: ReadonlyArray<string>) => ["chat", "--base-url", fake.url, ...args]
  return { fs, directory, fake, to, db: `${directory}/log.db` }
})

it.scopedLive("the answer is on stdout, what it took on stderr, the call in the log", () =>
  Effect.gen(function*() {
    const { db, fake, to } = yield* setUp
    yield* fake.script(FakeProvider.text("Hi there", { usage: { inputTokens: 1000, outputTokens: 10 } }))
    const asked = yield* runProcess(
      to(
        "Hello",
        "--model",
        "anthropic/claude-sonnet-4-5",
        "--system",
        "Be brief",
        "--log",
        db,
        "--label",
        "feature=x"
      ),
      { env }
    )
    assert.deepStrictEqual([asked.code, asked.stdout], [0, "Hi there\n"])
    assert.match(asked.stderr, /^anthropic\/claude-sonnet-4-5  \d\.\d\d s  1000 \+ 10 tokens  \$0\.00315\n$/)
    const [request] = yield* fake.requests
    assert.include(JSON.stringify(request?.body), "Be brief")
    const logs = yield* run(["logs", "--db", db, "--json"])
    const row = JSON.parse(logs.stdout)
    assert.deepStrictEqual([row.status, row.total_cost, row.raw_metadata], ["success", "0.00315", { Feature: "x" }])
    assert.notInclude(asked.stdout + asked.stderr + logs.stdout, key)
  }).pipe(Effect.provide(NodeContext.layer)), timeout)

it.scopedLive("asks what is piped in; streams; gives JSON that a schema allows", () =>
  Effect.gen(function*() {
    const { directory, fake, fs, to } = yield* setUp
    yield* fake.script(FakeProvider.text("one"), FakeProvider.text("two three"), FakeProvider.json({ n: 1 }))
    assert.strictEqual((yield* runProcess(to("-"), { env, input: "piped in\n" })).stdout, "one\n")
    assert.include(JSON.stringify((yield* fake.requests)[0]?.body), "\"piped in\"")
    assert.strictEqual((yield* run(to("--stream"), { env, input: "Hello" })).stdout, "two three\n")
    const schema = `${directory}/schema.json`
    yield* fs.writeFileString(schema, `{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}`)
    const answered = yield* run(to("--json-schema", schema, "Hello"), { env })
    assert.deepStrictEqual(JSON.parse(answered.stdout), { n: 1 })
  }).pipe(Effect.provide(NodeContext.layer)), timeout)

it.scopedLive("what fails says why, in one line, with an exit code", () =>
  Effect.gen(function*() {
    const { db, fake, to } = yield* setUp
    const noKey = yield* runProcess(to("Hello"))
    assert.deepStrictEqual([noKey.code, noKey.stdout], [1, ""])
    assert.match(noKey.stderr, /^majordomo: .*ANTHROPIC_API_KEY.*\n$/)

    yield* fake.script(
      FakeProvider.status(401, { body: JSON.stringify({ error: { message: `wrong ${key}\u001b[2J` } }) })
    )
    const refused = yield* run(to("Hello", "--log", db), { env })
    assert.deepStrictEqual([refused.code, refused.stdout], [1, ""])
    assert.match(refused.stderr, /^majordomo: anthropic\/.*Authentication.*<redacted>.*\n$/)
    assert.notInclude(refused.stderr, "\u001b")
    assert.strictEqual(JSON.parse((yield* run(["logs", "--db", db, "--json"])).stdout).error_type, "Authentication")

    const nowhere = yield* run(to("Hello", "--log", "/nonexistent/log.db"), { env })
    assert.deepStrictEqual([nowhere.code, nowhere.stdout], [1, ""])
    assert.match(nowhere.stderr, /^majordomo: \/nonexistent\/log\.db cannot be opened: .*\n$/)

    const unknown = yield* run(to("Hello", "--alias", "fst"), { env })
    assert.strictEqual(unknown.code, 1)
    assert.include(unknown.stderr, `did you mean "fast"`)
  }).pipe(Effect.provide(NodeContext.layer)), timeout)

it.scopedLive("a reader that goes away is no failure, and its call is in the log", () =>
  Effect.gen(function*() {
    const { db, to } = yield* setUp
    const { child, ended } = yield* begin(to("Hello", "--stream", "--log", db), { env })
    child.stdout?.destroy()
    assert.strictEqual((yield* ended).code, 0)
    assert.strictEqual(JSON.parse((yield* run(["logs", "--db", db, "--json"])).stdout).status, "cancelled")
  }).pipe(Effect.provide(NodeContext.layer)), timeout)

it.scopedLive("what is told wrongly ends with 2", () =>
  Effect.gen(function*() {
    assert.strictEqual((yield* runProcess(["nonsense"], { env })).code, 2)
    for (
      const args of [
        ["chat"],
        ["chat", "Hello", "--stream", "--json-schema", "x.json"],
        ["chat", "Hello", "--model", "a/b", "--alias", "fast"],
        ["costs", "--since", "yesterday", "--db", "x"],
        ["costs", "--limit", "0"],
        ["costs", "--nonsense"],
        ["nonsense"]
      ]
    ) {
      const { code, stderr, stdout } = yield* run(args, { env })
      assert.deepStrictEqual([args, code, stdout], [args, 2, ""])
      assert.notInclude(stderr, "\u001b")
      assert.notMatch(stderr, / at .*:\d+/)
    }
  }), timeout)

it.scopedLive("help, version and completions", () =>
  Effect.gen(function*() {
    const { version } = JSON.parse(readFileSync("package.json", "utf8"))
    assert.strictEqual((yield* runProcess(["--version"])).stdout, `${version}\n`)
    const help = yield* run(["costs", "--help"])
    assert.strictEqual(help.code, 0)
    assert.include(help.stdout, "--since")
    assert.notInclude(help.stdout, "\u001b")
    for (const shell of ["bash", "zsh", "fish"]) {
      assert.include((yield* run(["--completions", shell])).stdout, "costs")
    }
    assert.include((yield* run(["models"])).stdout, "ANTHROPIC_API_KEY")
    const { stdout } = yield* run(["models", "--provider", "anthropic"])
    assert.match(stdout, /anthropic\/claude-haiku-4-5\S*\s+\$1\s+\$5\n/)
  }), timeout)
