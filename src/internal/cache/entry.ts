/** What the cache stores, and under which key. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as PrimaryKey from "effect/PrimaryKey"
import * as Schema from "effect/Schema"
import type { Options } from "../../Cache.ts"
import type { Request, Service } from "../../LLM.ts"
import * as Metadata from "../../Metadata.ts"
import { canonicalJson } from "../../Output.ts"
import * as Prompt from "../../Prompt.ts"
import { FinishReason, type Response, Warning } from "../../Response.ts"
import { Usage } from "../../Usage.ts"
import { sha256 } from "../bytes/sha256.ts"
import type { Decoded } from "../call/decodedFrom.ts"
import { labelsOf } from "../call/labels.ts"
import { logFailure } from "../call/logFailure.ts"
import { toBase64 } from "../wires/parts.ts"

/** Changes when what is stored, or what a key says, changes its meaning. */
const version = 1

const Stored = Schema.Struct({
  /** What the schema of a call decodes; absent when tools were called instead of answering. */
  value: Schema.optional(Prompt.JsonValue),
  text: Schema.String,
  reasoning: Schema.optional(Schema.String),
  toolCalls: Schema.Array(Prompt.ToolCallPart),
  message: Prompt.AssistantMessage,
  finishReason: FinishReason,
  rawFinishReason: Schema.optional(Schema.String),
  usage: Usage,
  provider: Schema.String,
  model: Schema.String,
  requestedModel: Schema.String,
  id: Schema.optional(Schema.String),
  routed: Schema.optional(Schema.Struct({ provider: Schema.String, model: Schema.String })),
  warnings: Schema.Array(Warning)
})

export type Stored = typeof Stored.Type

export class Entry extends Schema.TaggedRequest<Entry>()("effect-majordomo/Cache/Entry", {
  failure: Schema.Never,
  success: Stored,
  payload: { key: Schema.String }
}) {
  [PrimaryKey.symbol](): string {
    return this.key
  }
}

/** An answer to store; undefined for one that is not complete. */
export const toStored = (response: Response<Decoded<unknown>>): Stored | undefined => {
  const { finishReason, message, model, provider, requestedModel, text, toolCalls, usage, warnings } = response
  if (finishReason !== "stop" && finishReason !== "tool-calls") return undefined
  return {
    value: response.content.value,
    text,
    reasoning: Option.getOrUndefined(response.reasoning),
    toolCalls,
    message,
    finishReason,
    rawFinishReason: Option.getOrUndefined(response.rawFinishReason),
    usage,
    provider,
    model,
    requestedModel,
    id: Option.getOrUndefined(response.id),
    routed: Option.getOrUndefined(response.routed),
    warnings
  }
}

/** SHA-256 of all that shapes the answer, in hex; undefined for a request that is not to be remembered. */
export const keyOf = (
  { model, provider }: Service,
  request: Request<unknown, unknown>,
  { scope, when }: Options
): Effect.Effect<string | undefined> =>
  Effect.flatMap(Metadata.Current, (current) =>
    Effect.tryPromise(async () => {
      if (when !== undefined && !when(request)) return undefined
      const { output, prompt, reasoning, system, temperature, tools, toolChoice, topP, ...rest } = request
      const {
        frequencyPenalty,
        maxTokens,
        parallelToolCalls,
        presencePenalty,
        providerOptions,
        seed,
        stop,
        topK,
        webSearch
      } = rest
      const text = JSON.stringify({
        version,
        provider,
        model,
        labels: labelsIn(labelsOf(current, request.metadata), scope),
        messages: Prompt.toMessages(prompt),
        format: output.format,
        toolCallsWelcome: output.onToolCalls !== undefined,
        system,
        temperature,
        topP,
        topK,
        presencePenalty,
        frequencyPenalty,
        parallelToolCalls,
        maxTokens,
        stop,
        seed,
        reasoning,
        tools: tools?.map(({ description, name, parameters, strict }) => ({ name, description, parameters, strict })),
        toolChoice,
        webSearch,
        providerOptions
      }, withMedia)
      const canonical = canonicalJson(JSON.parse(text))
      return await sha256(canonical)
    }).pipe(
      // A schema no model can be asked for, say: the provider tells what is wrong.
      Effect.catchAllCause((cause) =>
        Effect.as(logFailure("the response cache could not make a key; the request goes on", cause), undefined)
      )
    ))

const labelsIn = (labels: Metadata.Metadata, scope: Options["scope"]): Metadata.Metadata => {
  if (scope === undefined) return labels
  const wanted = new Set(scope.map(Metadata.toHeaderCase))
  return Object.fromEntries(Object.entries(labels).filter(([label]) => wanted.has(label)))
}

const isMedia = Schema.is(Schema.typeSchema(Prompt.Media))

/** Bytes and their base64 are the same. */
const withMedia = (key: string, value: unknown): unknown =>
  key === "media" && isMedia(value) && value.type !== "url" ? { base64: toBase64(value) } : value
