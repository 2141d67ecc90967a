import { assert, it } from "@effect/vitest"
import { ConfigProvider, Effect } from "effect"
import { FakeProvider } from "../../src/testing/index.ts"
import { atTerminal } from "./inProcess.ts"

const talk = (args: ReadonlyArray<string>, ...lines: ReadonlyArray<string>) =>
  atTerminal(["chat", ...args], { lines }).pipe(
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["ANTHROPIC_API_KEY", "k"]])))
  )

const model = ["--model", "anthropic/claude-sonnet-4-5"]
const usage = { usage: { inputTokens: 1000, outputTokens: 10 } }

it.scopedLive("a conversation keeps what was said, and says what each turn and all of them took", () =>
  Effect.gen(function*() {
    const fake = yield* FakeProvider.make()
    yield* fake.script(FakeProvider.text("Hello Ada", usage), FakeProvider.text("Ada\u001b[2J", usage))
    const args = ["--base-url", fake.url, ...model, "--system", "Be terse"]
    const { code, stderr, stdout } = yield* talk(args, "I am Ada", "  ", "Who am I?")
    assert.deepStrictEqual([code, stdout], [0, "Hello Ada\nAda\ufffd[2J\n"])
    assert.match(stderr[1] ?? "", /^anthropic\/claude-sonnet-4-5  \d\.\d\d s  1000 \+ 10 tokens  \$0\.00315$/)
    assert.strictEqual(stderr.at(-1), "2 calls  2000 + 20 tokens  $0.0063")
    const [, second] = yield* fake.requests
    const body = JSON.stringify(second?.body)
    for (const said of ["Be terse", "I am Ada", "Hello Ada", "Who am I?"]) assert.include(body, said)
  }))

it.scopedLive("a turn that fails is told of, and is no part of what was said", () =>
  Effect.gen(function*() {
    const fake = yield* FakeProvider.make()
    yield* fake.script(FakeProvider.status(401), FakeProvider.text("Yes", usage))
    const { code, left, stderr } = yield* talk(["--base-url", fake.url, ...model], "Lost", "Found", "/exit", "more")
    assert.deepStrictEqual([code, left], [0, ["more"]])
    assert.match(stderr[1] ?? "", /^majordomo: anthropic\/.*Authentication/)
    assert.strictEqual(stderr.at(-1), "2 calls  1000 + 10 tokens  $0.00315")
    const [, second] = yield* fake.requests
    assert.notInclude(JSON.stringify(second?.body), "Lost")
  }))

it.scopedLive("a schema is for one answer", () =>
  Effect.gen(function*() {
    const { code, stderr } = yield* talk(["--json-schema", "x.json"])
    assert.deepStrictEqual(code, 2)
    assert.match(stderr[0] ?? "", /there is no prompt/)
  }))
