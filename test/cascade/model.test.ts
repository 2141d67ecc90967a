import { HttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Either, FastCheck as fc, Layer, Redacted, Schedule, Stream } from "effect"
import { Balance, Cascade, Hooks, LLM, LLMError, Logging, OpenAIChat, Pricing, RequestLog } from "../../src/index.ts"
import { runs } from "../runs.ts"
import * as model from "./model.ts"
import * as upstream from "./upstream.ts"
import * as virtualClock from "./virtualClock.ts"

// ── scenarios ───────────────────────────────────────────────────────────────────────────────────────────────────────

const millis = fc.integer({ min: 1, max: 20_000 })
const gaps = fc.tuple(millis, millis, millis)
const reply: fc.Arbitrary<upstream.Reply> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ tag: fc.constant("answer" as const), wait: millis, gaps }) },
  { weight: 2, arbitrary: fc.record({ tag: fc.constantFrom("break" as const, "stuck" as const), wait: millis, gaps }) },
  {
    weight: 3,
    arbitrary: fc.record({
      tag: fc.constantFrom("inBand" as const, "cut" as const, "refusal" as const),
      wait: millis,
      gap: millis
    })
  },
  { weight: 2, arbitrary: fc.record({ tag: fc.constantFrom("silent" as const, "reset" as const), wait: millis }) },
  { weight: 1, arbitrary: fc.constant({ tag: "stall" as const }) },
  {
    weight: 5,
    arbitrary: fc.record({
      tag: fc.constant("status" as const),
      wait: millis,
      status: fc.constantFrom(400 as const, 401 as const, 404 as const, 429 as const, 500 as const, 503 as const)
    })
  }
)
const wraps = fc.array(fc.constantFrom<model.Wrap>("decorated", "alone", "breaker", "balanced", "guarded", "logged"), {
  maxLength: 2
})

const leaf: fc.Arbitrary<model.Node> = fc.record({
  tag: fc.constant("leaf" as const),
  name: fc.constant(""),
  tries: fc.integer({ min: 1, max: 3 }),
  backoff: fc.integer({ min: 1, max: 3_000 }),
  replies: fc.array(reply, { minLength: 1, maxLength: 3 }),
  wraps
})

const treeOf = (member: fc.Arbitrary<model.Node>): fc.Arbitrary<model.Tree> =>
  fc.record({
    tag: fc.constant("tree" as const),
    members: fc.array(member, { minLength: 1, maxLength: 3 }).map(([first, ...others]) => {
      if (first === undefined) throw new Error("no member")
      return [first, ...others] as const
    }),
    hedge: fc.option(fc.record({ after: millis, max: fc.integer({ min: 1, max: 2 }) }), { nil: undefined }),
    continues: fc.boolean(),
    wraps
  })

const ofDepth = (depth: number): fc.Arbitrary<model.Tree> =>
  treeOf(depth === 1 ? leaf : fc.oneof({ weight: 2, arbitrary: leaf }, { weight: 1, arbitrary: ofDepth(depth - 1) }))

/** Providers get the names l0, l1 … in the order of the tree. */
const named = (tree: model.Tree): model.Tree => {
  let next = 0
  const name = (node: model.Node): model.Node => node.tag === "leaf" ? { ...node, name: `l${next++}` } : nameTree(node)
  const nameTree = (node: model.Tree): model.Tree => {
    const [first, ...others] = node.members
    return { ...node, members: [name(first), ...others.map(name)] }
  }
  return nameTree(tree)
}

const scenario = fc.record({
  tree: fc.integer({ min: 1, max: 3 }).chain(ofDepth).map(named),
  limits: fc.record({
    mode: fc.constantFrom("generate" as const, "stream" as const),
    total: fc.integer({ min: 5_000, max: 120_000 }),
    firstToken: fc.integer({ min: 500, max: 60_000 }),
    betweenTokens: fc.integer({ min: 500, max: 60_000 })
  })
})

// ── the real thing ──────────────────────────────────────────────────────────────────────────────────────────────────

const world = upstream.make()

/** Tries and backoff of each provider in the present run. */
let settings: Readonly<Record<string, model.Leaf>> = {}

const provider = (name: string) =>
  OpenAIChat.layer({
    model: name,
    baseUrl: `http://${name}.test/v1`,
    apiKey: Redacted.make("k"),
    retry: Schedule.forever.pipe(
      Schedule.whileOutput((again) => again + 1 < (settings[name]?.tries ?? 1)),
      Schedule.addDelay(() => settings[name]?.backoff ?? 0)
    )
  }).pipe(Layer.provide(Layer.succeed(HttpClient.HttpClient, world.client)), Layer.orDie)

/** Three levels of three members each. */
const mostLeaves = 27

// Providers hash their key on another thread, so they are built in real time, once.
const providers = Effect.forEach(
  Array.from({ length: mostLeaves }, (_, index) => `l${index}`),
  (name) => Effect.map(Layer.build(provider(name)), (context) => [name, Context.get(context, LLM.LLM)] as const)
).pipe(Effect.map((all) => new Map(all)), Effect.scoped)

type Providers = Effect.Effect.Success<typeof providers>

const decorated = LLM.decorate((llm) =>
  Effect.succeed({
    ...llm,
    generate: (request) => llm.generate({ ...request, metadata: { decorated: "yes" } }),
    stream: (request) => llm.stream({ ...request, metadata: { decorated: "yes" } })
  })
)

const wrapped = (layer: Layer.Layer<LLM.LLM>, wrap: model.Wrap): Layer.Layer<LLM.LLM> => {
  switch (wrap) {
    case "decorated":
      return Layer.provide(decorated, layer)
    case "alone":
      return Cascade.layer([layer])
    case "breaker":
      return Cascade.layer([layer], { breaker: { failures: 2, window: "1 second", cooldown: "1 second" } })
    case "logged":
      return Logging.layer().pipe(Layer.provide(layer), Layer.provide(RequestLog.layerMemory))
    case "guarded":
      return Layer.provide(Hooks.layer([Hooks.regex({ pattern: /secret/, action: "block", on: "before" })]), layer)
    case "balanced":
      return Layer.orDie(Balance.layer([layer]))
  }
}

const layerOf = (providers: Providers, node: model.Node): Layer.Layer<LLM.LLM> => {
  if (node.tag === "leaf") {
    const service = providers.get(node.name)
    return node.wraps.reduce(
      wrapped,
      service === undefined ? Layer.die("no such provider") : Layer.succeed(LLM.LLM, service)
    )
  }
  const [first, ...others] = node.members
  const cascade = Cascade.layer([layerOf(providers, first), ...others.map((other) => layerOf(providers, other))], {
    hedge: node.hedge,
    midStream: node.continues ? "continue" : "fail"
  })
  return node.wraps.reduce(wrapped, cascade)
}

interface Seen {
  readonly at: number
  readonly parts: ReadonlyArray<model.Part>
  readonly end: { readonly host: string } | { readonly error: string }
  /** Of the answer, or what the error keeps of it. */
  readonly text: string | undefined
  readonly attempts: ReadonlyArray<string | undefined>
}

type Scenario = typeof scenario extends fc.Arbitrary<infer S> ? S : never

interface Prediction {
  readonly parts: ReadonlyArray<model.Part>
  readonly end: model.End
  readonly tries: ReadonlyArray<model.Try>
}

const real = (providers: Providers, { limits, tree }: Scenario) =>
  Effect.gen(function*() {
    const { betweenTokens, firstToken, total } = limits
    const parts: Array<model.Part> = []
    const options = { prompt: "Hello", timeouts: { betweenTokens, firstToken, total } }
    const asked = limits.mode === "generate"
      ? LLM.generateText(options)
      : LLM.collect(Stream.tap(LLM.streamText(options), (part) =>
        Effect.sync(() => {
          if (part._tag === "TextDelta") parts.push({ tag: "text", text: part.delta })
          if (part._tag === "Seam") parts.push({ tag: "seam" })
        })))
    const result = yield* Effect.either(asked)
    const at = (yield* Effect.clock).unsafeCurrentTimeMillis()
    const { attempts } = Either.merge(result)
    const seen: Seen = {
      at,
      parts,
      end: Either.isRight(result)
        ? { host: result.right.model }
        : { error: LLMError.tagOf(result.left) },
      text: Either.isRight(result)
        ? result.right.text
        : result.left._tag === "ProviderError"
        ? result.left.partial
        : undefined,
      attempts: attempts.map(({ error }) => error)
    }
    return seen
  }).pipe(Effect.provide(layerOf(providers, tree)))

const predicted = (scenario: Scenario): Prediction | undefined => {
  try {
    const outcome = model.predict(scenario.tree, scenario.limits)
    return outcome.tag === "won"
      ? outcome
      : { parts: [], end: { at: outcome.at, error: outcome.error }, tries: outcome.tries }
  } catch (error) {
    if (error instanceof model.Tie) return undefined
    throw error
  }
}

const inOrder = (sent: ReadonlyArray<{ readonly host: string; readonly at: number }>) =>
  sent.map(({ at, host }) => ({ at, host })).sort((a, b) => a.at - b.at || (a.host < b.host ? -1 : 1))

const isHedged = (node: model.Node): boolean =>
  node.tag === "tree" && (node.hedge !== undefined || node.members.some(isHedged))

const leaves = (node: model.Node): ReadonlyArray<model.Leaf> =>
  node.tag === "leaf" ? [node] : node.members.flatMap(leaves)

describe("Cascade against its model", () => {
  it("who answers, what comes out, who is asked how often and when, and how long it takes", async () => {
    // The price list is loaded once, in real time.
    await Effect.runPromise(Pricing.quote("openai", "gpt-4.1", { inputTokens: 1 }))
    const built = await Effect.runPromise(providers)
    await fc.assert(
      fc.asyncProperty(scenario, async (scenario) => {
        const expected = predicted(scenario)
        fc.pre(expected !== undefined)
        const { limits, tree } = scenario
        settings = Object.fromEntries(leaves(tree).map((leaf) => [leaf.name, leaf]))
        world.reset(Object.fromEntries(leaves(tree).map(({ name, replies }) => [name, replies])))
        const { isIdle, value: seen } = await virtualClock.run(real(built, scenario))
        const { at, ...end } = expected.end
        assert.deepStrictEqual(seen.end, end)
        assert.deepStrictEqual(seen.parts, expected.parts)
        assert.deepStrictEqual(inOrder(world.sent()), inOrder(expected.tries))
        assert.strictEqual(seen.at, at)
        for (const { name, tries } of leaves(tree)) {
          assert.isAtMost(world.sent().filter(({ host }) => host === name).length, tries)
        }
        assert.lengthOf(seen.attempts, expected.tries.length)
        if (!isHedged(tree)) assert.deepStrictEqual(seen.attempts, expected.tries.map(({ error }) => error))
        const texts = expected.parts.flatMap((part) => part.tag === "text" ? [part.text] : []).join("")
        if (limits.mode === "stream" && texts !== "") assert.strictEqual(seen.text, texts)
        assert.isTrue(isIdle, "a timer is left")
        assert.strictEqual(world.open(), 0, "a connection is left")
      }),
      { numRuns: runs(600, 10_000) }
    )
  }, 300_000)
})
