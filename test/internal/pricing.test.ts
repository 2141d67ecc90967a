import { assert, describe, it } from "@effect/vitest"
import { calcPrice, type Provider, waitForUpdate } from "@pydantic/genai-prices"
import { Effect } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import { folder, generated } from "../../scripts/prices.ts"
import { listOf } from "../../src/internal/pricing/listed.ts"

const providers = Effect.promise(async (): Promise<ReadonlyArray<Provider>> => await waitForUpdate() ?? [])

// Through midnight, the hours and the days at which prices change.
const times = ["2024-01-01T00:00:00Z", "2026-11-20T00:29:59.9Z", "2026-11-20T12:00:00Z", "2026-11-20T16:30:00Z"]
  .map((time) => new Date(time))

/** As people and providers write it. */
const spellings = (id: string): ReadonlyArray<string> => [
  id,
  ` ${id.toUpperCase()}`,
  `${id}-20251101`,
  `${id}-20259999`,
  `${id}-latest`,
  `us.${id}-v1:0`,
  `vendor/${id}`
]

describe("the list of prices", () => {
  it.effect("is the one that is installed: npm run prices", () =>
    Effect.gen(function*() {
      const files = yield* Effect.promise(generated)
      const stale = [...files].filter(([path, content]) => readFileSync(path, "utf8") !== content).map(([path]) => path)
      assert.deepStrictEqual(stale, [])
      const known = [...files.keys()].filter((path) => path.startsWith(`${folder}/`)).map((path) =>
        path.slice(folder.length + 1)
      )
      assert.sameMembers(readdirSync(folder), known)
    }))

  it.effect("gives the rates that its authors' own code gives, whatever a model is called and whenever", () =>
    Effect.gen(function*() {
      for (const { id: providerId, models } of yield* providers) {
        const list = yield* Effect.promise(async () => listOf(providerId))
        for (const { id, prices } of models) {
          for (const model of spellings(id)) {
            for (const timestamp of Array.isArray(prices) ? times : times.slice(0, 1)) {
              const expected = calcPrice({}, model, { providerId, timestamp })?.model_price
              assert.deepStrictEqual(list?.ratesOf(model, timestamp), expected, `${providerId}/${model}`)
            }
          }
        }
      }
    }))

  it("has none for names that merely look like a provider's", () => {
    assert.isUndefined(listOf("my-openai"))
    assert.isUndefined(listOf("constructor"))
  })
})
