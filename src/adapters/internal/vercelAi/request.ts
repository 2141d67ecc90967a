/** What `ai` asks of a model, as a request of ours. */
import type { LanguageModelV4CallOptions, SharedV4ProviderOptions, SharedV4Warning } from "@ai-sdk/provider"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { toJson } from "../../../internal/json/toJson.ts"
import { asJsonObject } from "../../../internal/json/values.ts"
import type { Options, Reasoning, Request } from "../../../LLM.ts"
import * as LLMError from "../../../LLMError.ts"
import * as Output from "../../../Output.ts"
import type { JsonValue } from "../../../Prompt.ts"
import type { Tool } from "../../../Tool.ts"
import { ours } from "./metadata.ts"
import { toMessages } from "./prompt.ts"

const Duration = Schema.Union(Schema.Number, Schema.String.pipe(Schema.pattern(/^\d+ \w+$/)))

/** What `providerOptions.majordomo` may say. */
const Own = Schema.Struct({
  metadata: Schema.optional(Schema.Record({ key: Schema.String, value: Schema.String })),
  webSearch: Schema.optional(Schema.Boolean),
  parallelToolCalls: Schema.optional(Schema.Boolean),
  repair: Schema.optional(Schema.Number),
  reasoning: Schema.optional(Schema.Struct({
    effort: Schema.optional(Schema.Literal("none", "minimal", "low", "medium", "high", "xhigh", "max")),
    budgetTokens: Schema.optional(Schema.Number)
  })),
  timeouts: Schema.optional(Schema.Struct({
    total: Schema.optional(Duration),
    firstToken: Schema.optional(Duration),
    betweenTokens: Schema.optional(Duration)
  })),
  /** Fields of the provider's own body. */
  body: Schema.optional(Schema.Record({ key: Schema.String, value: Schema.Unknown }))
})
export type Own = typeof Own.Type

const decodeOwn = Schema.decodeUnknown(Own, { onExcessProperty: "error", errors: "all" })

/** Options under names of other providers are of packages that are not asked here. */
const otherOptions = (options: SharedV4ProviderOptions | undefined): ReadonlyArray<SharedV4Warning> =>
  Object.keys(options ?? {}).filter((name) => name !== ours).map((name) => ({
    type: "unsupported",
    feature: `providerOptions.${name}`,
    details:
      `the call goes through majordomo; give fields of the provider's body as providerOptions.${ours}.body.${name}`
  }))

export interface Asked {
  /** None when the model calls tools instead of giving the value that was asked for. */
  readonly request: Request<Option.Option<JsonValue>>
  readonly isStructured: boolean
  /** What was asked and is left out. */
  readonly warnings: ReadonlyArray<SharedV4Warning>
}

export const toRequest = (options: LanguageModelV4CallOptions, where: {
  readonly provider: string
  readonly model: string
}): Effect.Effect<Asked, LLMError.InvalidRequestError> =>
  Effect.map(
    Effect.mapError(decodeOwn(options.providerOptions?.[ours] ?? {}), (error) =>
      new LLMError.InvalidRequestError({
        ...where,
        reason: "InvalidParameter",
        parameter: `providerOptions.${ours}`,
        description: ParseResult.ArrayFormatter.formatErrorSync(error).map(({ message, path }) =>
          `${path.join(".")}: ${message}`
        ).join("; ")
      })),
    (own) => build(options, own)
  )

const build = (options: LanguageModelV4CallOptions, own: Own): Asked => {
  const warnings: Array<SharedV4Warning> = [...otherOptions(options.providerOptions)]
  const unsupported = (feature: string, details?: string): void => {
    warnings.push({ type: "unsupported", feature, ...(details === undefined ? {} : { details }) })
  }
  if (options.includeRawChunks === true) unsupported("includeRawChunks")
  const { tools, webSearch } = toTools(options.tools ?? [], unsupported)
  const output = toOutput(options.responseFormat)
  const messages = toMessages(options.prompt, unsupported)
  const given: Omit<Options, "prompt"> = {
    temperature: options.temperature,
    topP: options.topP,
    topK: options.topK,
    presencePenalty: options.presencePenalty,
    frequencyPenalty: options.frequencyPenalty,
    maxTokens: options.maxOutputTokens,
    stop: options.stopSequences,
    seed: options.seed,
    reasoning: toReasoning(options.reasoning, own.reasoning),
    tools: tools.length === 0 ? undefined : tools,
    toolChoice: toToolChoice(options.toolChoice),
    parallelToolCalls: own.parallelToolCalls,
    webSearch: own.webSearch ?? (webSearch ? true : undefined),
    extraHeaders: toHeaders(options.headers),
    metadata: own.metadata,
    timeouts: own.timeouts as Options["timeouts"], // Duration strings are checked when the call begins.
    repair: own.repair,
    providerOptions: own.body
  }
  return {
    request: { ...given, prompt: messages, output: Output.orToolCalls(output) },
    isStructured: output.format.type !== "text",
    warnings
  }
}

const toOutput = (format: LanguageModelV4CallOptions["responseFormat"]): Output.Output<JsonValue> => {
  if (format === undefined || format.type === "text") return Output.text
  const { description, name, schema } = format
  if (schema === undefined) return Output.json
  const output = Output.jsonSchema(asJsonObject(toJson(schema)), { name, description })
  // In the order the model wrote it, in which it was streamed.
  return { ...output, decode: (value) => Effect.as(output.decode(value), value) }
}

const toReasoning = (
  effort: LanguageModelV4CallOptions["reasoning"],
  own: Own["reasoning"]
): Reasoning | undefined => effort === undefined || effort === "provider-default" ? own : { effort, ...own }

const toToolChoice = (choice: LanguageModelV4CallOptions["toolChoice"]): Options["toolChoice"] =>
  choice === undefined ? undefined : choice.type === "tool" ? { tool: choice.toolName } : choice.type

const toHeaders = (headers: LanguageModelV4CallOptions["headers"]): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers ?? {}).flatMap(([name, value]) => value === undefined ? [] : [[name, value]])
  )

const toTools = (
  tools: NonNullable<LanguageModelV4CallOptions["tools"]>,
  unsupported: (feature: string, details?: string) => void
) => {
  const functions: Array<Tool> = []
  let webSearch = false
  for (const tool of tools) {
    if (tool.type === "function") {
      functions.push({
        name: tool.name,
        description: tool.description,
        parameters: asJsonObject(toJson(tool.inputSchema)),
        strict: tool.strict
      })
    } else if (/web_?search|google_?search/i.test(tool.id)) {
      webSearch = true
      if (Object.keys(tool.args).length > 0) {
        unsupported(`settings of the tool ${tool.id}`, "the provider's defaults hold")
      }
    } else unsupported(`provider tool ${tool.id}`)
  }
  return { tools: functions, webSearch }
}
