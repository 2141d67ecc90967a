import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, Effect, FastCheck as fc, Option } from "effect"
import { Cost, Pricing, Usage } from "../src/index.ts"

const usage = (input: number, output: number, more: Partial<Usage.Usage> = {}): Usage.Usage => ({
  ...Usage.empty,
  inputTokens: input,
  outputTokens: output,
  totalTokens: input + output,
  ...more
})

const at = new Date("2026-11-20T12:00:00Z")

const cost = (provider: string, model: string, spent: Usage.Usage, when = at) =>
  Effect.map(Pricing.make().cost({ provider, model, usage: spent, at: when }), Option.getOrUndefined)

describe("Pricing", () => {
  it.effect("knows providers by our names", () =>
    Effect.gen(function*() {
      // $2 and $8 per million tokens; $0.30 and $2.50.
      assert.strictEqual((yield* cost("openai", "gpt-4.1", usage(1000, 100)))?.total, 0.0028)
      assert.strictEqual((yield* cost("gemini", "gemini-2.5-flash", usage(1000, 100)))?.total, 0.00055)
      assert.isUndefined(yield* cost("nobody", "nothing", usage(1, 1)))
      assert.isUndefined(yield* cost("openai", "no-such-model", usage(1, 1)))
    }))

  it.effect("prices the whole call by the tier its input reaches", () =>
    Effect.gen(function*() {
      // claude-sonnet-4-5: $3 and $15, beyond 200,000 input tokens $6 and $22.50.
      assert.strictEqual((yield* cost("anthropic", "claude-sonnet-4-5", usage(200_000, 1000)))?.total, 0.615)
      assert.strictEqual((yield* cost("anthropic", "claude-sonnet-4-5", usage(200_001, 1000)))?.total, 1.222506)
    }))

  it.effect("prices cache reads and writes apart, writes by how long they last", () =>
    Effect.gen(function*() {
      const spent = usage(1000, 0, { cachedInputTokens: 500, cacheCreationTokens: 300 })
      // 200 × $3 + 500 × $0.30 + 300 × $3.75
      assert.strictEqual((yield* cost("anthropic", "claude-sonnet-4-5", spent))?.total, 0.001875)
      const hour = yield* Pricing.make().cost({
        provider: "anthropic",
        model: "claude-sonnet-4-5",
        usage: spent,
        cacheCreation1hTokens: 300,
        at
      })
      // 300 × $6 instead
      assert.strictEqual(Option.getOrThrow(hour).total, 0.00255)
    }))

  it.effect("prices by the time of the call where the price depends on it", () =>
    Effect.gen(function*() {
      const night = yield* cost("deepseek", "deepseek-chat", usage(1_000_000, 0), new Date("2026-11-20T20:00:00Z"))
      const day = yield* cost("deepseek", "deepseek-chat", usage(1_000_000, 0), new Date("2026-11-20T12:00:00Z"))
      assert.isDefined(night)
      assert.isBelow(night?.total ?? 1, day?.total ?? 0)
    }))

  it.effect("adds what is billed per call as tools", () =>
    Effect.gen(function*() {
      const searched = yield* Pricing.make().cost({
        provider: "anthropic",
        model: "claude-sonnet-4-5",
        usage: usage(0, 0),
        webSearches: 3,
        at
      })
      assert.strictEqual(Option.getOrThrow(searched).tools, 0.03)
    }))

  it.effect("takes the user's price by provider and model, or model, date aside", () =>
    Effect.gen(function*() {
      const prices = Pricing.make({
        base: "none",
        overrides: {
          "acme/large": { input: 1, output: 2, cachedInput: 0.1, request: 0.005 },
          small: { input: 1, output: 1 }
        }
      })
      const priced = (provider: string, model: string) =>
        Effect.map(
          prices.cost({ provider, model, usage: usage(1_000_000, 1_000_000, { cachedInputTokens: 500_000 }), at }),
          Option.map((found) => [found.input, found.output, found.tools, found.source])
        )
      assert.deepStrictEqual(yield* priced("acme", "large-20260101"), Option.some([0.55, 2, 0.005, "override"]))
      assert.deepStrictEqual(yield* priced("any", "small"), Option.some([1, 1, 0, "override"]))
      assert.deepStrictEqual(yield* priced("other", "large"), Option.none())
    }))

  const amount = fc.nat(10_000_000)
  const price = fc.integer({ min: 0, max: 1_000_000 }).map((n) => n / 10_000)

  it.prop(
    "is the exact decimal sum, whatever floats would make of it",
    [amount, amount, price, price],
    ([input, output, pIn, pOut]) => {
      const { exact } = Pricing.costAt({ input: pIn, output: pOut }, usage(input, output))
      // Prices have four digits, tokens are per million: ten digits hold the exact amount.
      const expected = BigInt(input) * BigInt(Math.round(pIn * 10_000)) +
        BigInt(output) * BigInt(Math.round(pOut * 10_000))
      assert.isTrue(BigDecimal.equals(exact.total, BigDecimal.make(expected, 10)))
    }
  )
})

describe("Cost", () => {
  const costs = fc.array(
    fc.record({ input: fc.nat(1_000_000), output: fc.nat(1_000_000) }).map(({ input, output }) =>
      Pricing.costAt({ input: 0.1, output: 0.2 }, usage(input, output))
    ),
    { maxLength: 20 }
  )

  it.prop("sums exactly in any order and any grouping", [costs, fc.nat(20)], ([list, at]) => {
    const whole = Cost.sum(list)
    const grouped = Cost.add(Cost.sum(list.slice(at)), Cost.sum(list.slice(0, at)))
    assert.isTrue(BigDecimal.equals(whole.exact.total, grouped.exact.total))
    assert.isTrue(BigDecimal.equals(whole.exact.total, BigDecimal.sum(whole.exact.input, whole.exact.output)))
  })

  it("adds a thousand small amounts without drift", () => {
    const small = Cost.make({ input: BigDecimal.unsafeFromString("0.1"), source: "prices" })
    assert.strictEqual(Cost.sum(Array.from({ length: 1000 }, () => small)).total, 100)
  })

  it("prints plain decimals, however small", () => {
    const tiny = Cost.make({ output: BigDecimal.unsafeFromString("0.00000000012"), source: "prices" })
    assert.strictEqual(Cost.toDecimalString(tiny), "0.00000000012")
    assert.strictEqual(
      Cost.format(Cost.make({ input: BigDecimal.unsafeFromString("1.2345678"), source: "prices" })),
      "$1.234568"
    )
    assert.strictEqual(Cost.toDecimalString(Cost.make({ input: BigDecimal.make(12n, -2), source: "prices" })), "1200")
    assert.strictEqual(Cost.toDecimalString(Cost.zeroUSD), "0")
  })

  it("keeps the source that both share", () => {
    const bill = Cost.make({ total: BigDecimal.unsafeFromString("1"), source: "provider" })
    assert.strictEqual(Cost.add(bill, bill).source, "provider")
    assert.strictEqual(Cost.add(Cost.zeroUSD, bill).source, "provider")
  })
})

describe("Usage", () => {
  const one = fc.record({
    inputTokens: fc.nat(),
    outputTokens: fc.nat(),
    cachedInputTokens: fc.nat(),
    cacheCreationTokens: fc.nat(),
    reasoningTokens: fc.nat(),
    totalTokens: fc.nat()
  })
  it.prop("is a monoid", [one, one, one], ([a, b, c]) => {
    assert.deepStrictEqual(Usage.add(Usage.add(a, b), c), Usage.add(a, Usage.add(b, c)))
    assert.deepStrictEqual(Usage.add(a, Usage.empty), a)
    assert.deepStrictEqual(Usage.add(Usage.empty, a), a)
    assert.deepStrictEqual(Usage.sum([a, b, c]), Usage.sum([c, b, a]))
  })
})
