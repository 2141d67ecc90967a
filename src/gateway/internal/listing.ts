/** What can be asked for, as the clients of each vendor read it; what is known of it, in a field of our own. */
import * as BigDecimal from "effect/BigDecimal"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Cost from "../../Cost.ts"
import * as Models from "../../Models.ts"
import type { Service as PricingService } from "../../Pricing.ts"
import * as Pricing from "../../Pricing.ts"
import type { JsonObject } from "../../Prompt.ts"
import * as Usage from "../../Usage.ts"

/** The clients of OpenAI and of Anthropic both read one form. */
export type Form = "openai" | "gemini"

/** A request for the list, or for one of it. */
export interface Wanted {
  readonly form: Form
  readonly name: string | undefined
}

const paths: ReadonlyArray<readonly [Form, RegExp]> = [
  ["openai", /^\/v1\/models(?:\/([^:]+))?$/],
  ["gemini", /^\/v1(?:beta|alpha)\/models(?:\/([^:]+))?$/]
]

/** Google's own client asks under `/v1`, too: its key's header tells. */
export const wantedOf = (path: string, isGoogle: boolean): Wanted | undefined => {
  for (const [form, pattern] of paths) {
    const found = pattern.exec(path)
    if (found !== null) return { form: isGoogle ? "gemini" : form, name: found[1] }
  }
  return undefined
}

/** A name, and the models that answer to it. */
export interface Offered {
  readonly name: string
  readonly members: ReadonlyArray<{
    readonly provider: string
    readonly model: string
    readonly prices?: string | undefined
  }>
}

interface Described {
  readonly name: string
  readonly models: ReadonlyArray<JsonObject>
  /** Of all its models the least; undefined where one is not known. */
  readonly contextTokens: number | undefined
  readonly maxOutputTokens: number | undefined
}

const least = (values: ReadonlyArray<number | undefined>): number | undefined => {
  const known = values.filter((value) => value !== undefined)
  return known.length === 0 || known.length < values.length ? undefined : Math.min(...known)
}

const perThousand = 1000
const thousand = BigDecimal.fromBigInt(1000n)

const describe = (
  { members, name }: Offered,
  pricing: PricingService,
  now: number
): Effect.Effect<Described> =>
  Effect.map(
    Effect.forEach(members, ({ model, prices, provider }) =>
      Effect.gen(function*() {
        const rate = (usage: Partial<Usage.Usage>, part: "input" | "output") =>
          Effect.map(
            pricing.cost({ provider, model, prices, usage: { ...Usage.empty, ...usage }, at: new Date(now) }),
            Option.map(({ exact }) => Cost.amountToString(BigDecimal.multiply(exact[part], thousand)))
          )
        const input = yield* rate({ inputTokens: perThousand }, "input")
        const output = yield* rate({ outputTokens: perThousand }, "output")
        const cachedInput = yield* rate({ inputTokens: perThousand, cachedInputTokens: perThousand }, "input")
        const contextTokens = Option.getOrUndefined(yield* Pricing.contextWindow(prices ?? provider, model))
        const { maxOutputTokens } = yield* Effect.orElseSucceed(
          Models.capabilities(provider, model),
          () => ({ maxOutputTokens: undefined })
        )
        return { provider, model, contextTokens, maxOutputTokens, prices: Option.all({ input, output, cachedInput }) }
      })),
    (models): Described => ({
      name,
      contextTokens: least(models.map(({ contextTokens }) => contextTokens)),
      maxOutputTokens: least(models.map(({ maxOutputTokens }) => maxOutputTokens)),
      models: models.map(({ contextTokens, maxOutputTokens, model, prices, provider }): JsonObject => ({
        provider,
        model,
        context_tokens: contextTokens ?? null,
        max_output_tokens: maxOutputTokens ?? null,
        usd_per_million_tokens: Option.getOrNull(
          Option.map(prices, ({ cachedInput, input, output }) => ({ input, output, cached_input: cachedInput }))
        )
      }))
    })
  )

const written = (form: Form, { contextTokens, maxOutputTokens, models, name }: Described, now: number): JsonObject =>
  form === "gemini"
    ? {
      name: `models/${name}`,
      displayName: name,
      version: "1",
      supportedGenerationMethods: ["generateContent", "streamGenerateContent"],
      ...(contextTokens === undefined ? {} : { inputTokenLimit: contextTokens }),
      ...(maxOutputTokens === undefined ? {} : { outputTokenLimit: maxOutputTokens }),
      majordomo: { models }
    }
    : {
      id: name,
      object: "model",
      type: "model",
      created: Math.floor(now / 1000),
      created_at: new Date(now).toISOString(),
      display_name: name,
      owned_by: "majordomo",
      ...(contextTokens === undefined ? {} : { max_input_tokens: contextTokens }),
      ...(maxOutputTokens === undefined ? {} : { max_tokens: maxOutputTokens }),
      majordomo: { models }
    }

export const of = (
  { form, name }: Wanted,
  offered: ReadonlyArray<Offered>,
  pricing: PricingService,
  now: number
): Effect.Effect<JsonObject> =>
  Effect.map(Effect.forEach(offered, (one) => describe(one, pricing, now)), (described) => {
    const all = described.map((one) => written(form, one, now))
    const [first] = all
    if (name !== undefined && first !== undefined) return first
    return form === "gemini" ? { models: all } : {
      object: "list",
      data: all,
      has_more: false,
      first_id: offered[0]?.name ?? null,
      last_id: offered.at(-1)?.name ?? null
    }
  })
