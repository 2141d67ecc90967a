/**
 * What an answer or an error of a Majordomo gateway says beside its protocol, under `majordomo`: written there, read by our
 * client.
 */
import * as BigDecimal from "effect/BigDecimal"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Cost from "../../Cost.ts"
import type { JsonObject } from "../../Prompt.ts"
import type { Attempt } from "../../Response.ts"
import type { Usage } from "../../Usage.ts"
import { asArray, asCount, asNumber, asObject, asString, isObject } from "../json/values.ts"

export interface Told {
  readonly provider: string
  readonly model: string
  readonly cost: Option.Option<Cost.Cost>
  readonly attempts: ReadonlyArray<Attempt>
  /** Of all tries, where there is no answer that says it. */
  readonly usage?: Usage | undefined
  /** More may have been billed than is known. */
  readonly usagePartial?: boolean | undefined
}

export const write = ({ attempts, cost, model, provider }: Told): JsonObject => ({
  provider,
  model,
  attempts: attempts.map((attempt): JsonObject => ({
    provider: attempt.provider,
    model: attempt.model,
    seconds: Duration.toSeconds(attempt.duration),
    ...(attempt.error === undefined ? {} : { error: attempt.error }),
    ...(attempt.status === undefined ? {} : { status: attempt.status }),
    ...(attempt.requestId === undefined ? {} : { request_id: attempt.requestId })
  })),
  ...Option.match(cost, {
    onNone: () => ({}),
    onSome: ({ exact: { input, output, tools, total } }) => ({
      cost: Cost.amountToString(total),
      costs: {
        input: Cost.amountToString(input),
        output: Cost.amountToString(output),
        tools: Cost.amountToString(tools)
      }
    })
  })
})

/** The same of a call that failed: what it took is said nowhere else. */
export const writeFailure = (told: Told): JsonObject => ({
  ...write(told),
  ...(told.usage === undefined || told.usage.totalTokens === 0 ? {} : { usage: { ...told.usage } }),
  ...(told.usagePartial === true ? { usage_partial: true } : {})
})

/** Undefined: this is no answer of a gateway's LLM. */
export const read = (value: unknown): Told | undefined => {
  if (!isObject(value)) return undefined
  const provider = asString(value["provider"])
  const model = asString(value["model"])
  if (provider === undefined || model === undefined) return undefined
  return {
    provider,
    model,
    cost: costIn(value),
    attempts: asArray(value["attempts"]).flatMap(attemptIn),
    usage: usageIn(value["usage"]),
    usagePartial: value["usage_partial"] === true ? true : undefined
  }
}

const usageIn = (value: unknown): Usage | undefined => {
  if (!isObject(value)) return undefined
  const count = (name: keyof Usage) => asCount(value[name]) ?? 0
  return {
    inputTokens: count("inputTokens"),
    outputTokens: count("outputTokens"),
    cachedInputTokens: count("cachedInputTokens"),
    cacheCreationTokens: count("cacheCreationTokens"),
    reasoningTokens: count("reasoningTokens"),
    totalTokens: count("totalTokens")
  }
}

const attemptIn = (value: unknown): ReadonlyArray<Attempt> => {
  const one = asObject(value)
  const provider = asString(one["provider"])
  const model = asString(one["model"])
  const seconds = asNumber(one["seconds"])
  return provider === undefined || model === undefined || seconds === undefined ? [] : [{
    provider,
    model,
    duration: Duration.seconds(seconds),
    error: asString(one["error"]),
    status: asNumber(one["status"]),
    requestId: asString(one["request_id"])
  }]
}

const costIn = (value: { readonly [name: string]: unknown }): Option.Option<Cost.Cost> => {
  const costs = asObject(value["costs"])
  const amount = (text: unknown) => Option.flatMap(Option.fromNullable(asString(text)), BigDecimal.fromString)
  return Option.map(
    Option.all({
      total: amount(value["cost"]),
      input: amount(costs["input"]),
      output: amount(costs["output"]),
      tools: amount(costs["tools"])
    }),
    (parts) => Cost.make({ ...parts, source: "provider" })
  )
}
