/** Chat Completions requests: from a call to the body that is sent. */
import { type Message, text, textsOf, type ToolResultPart } from "../../../Prompt.ts"
import type { Call, Lowered } from "../../call/driver.ts"
import type { Loose } from "../../json/values.ts"
import * as providerNames from "../../models/providerNames.ts"
import type { Codec } from "../../schema/codec.ts"
import { codec } from "../../schema/codec.ts"
import * as dialect from "../../schema/dialect.ts"
import { furtherOptions } from "../furtherOptions.ts"
import { metadataOf } from "../metadata.ts"
import * as parts from "../parts.ts"
import { answerTool, schemaInstruction } from "../structuredAnswer.ts"

/** What differs from host to host. */
export interface Quirks {
  /** Best way to ask for structured answers that the host takes. */
  readonly structured: "native" | "json-mode" | "tool" | "prompt"
  /** Name of the output cap. */
  readonly maxTokens: "max_tokens" | "max_completion_tokens"
  /** How the host is told to reason. */
  readonly reasoning: (reasoning: NonNullable<Call["options"]["reasoning"]>, call: Call) => Loose
  /** Asks for usage at the end of a stream. */
  readonly streamUsage: boolean
  /** Hosted web search, where the host has one. */
  readonly webSearch: ((call: Call) => Loose) | undefined
  /** The model takes temperature and topP. */
  readonly sampling: (model: string) => boolean
  /** The model reasons, as far as that is known. */
  readonly reasons: (model: string) => boolean
  /** The host takes `top_k`. */
  readonly topK: boolean
  /** The model takes stop sequences. */
  readonly stop: (model: string) => boolean
  /** The host reads marks of a cache. */
  readonly cacheControl: boolean
}

/** The wire's name: under it stands what the next turn needs. */
export const name = "chat-completions"

export const lower = (call: Call, quirks: Quirks): Lowered => {
  const { options } = call
  const structured = lowerFormat(call, quirks)
  const system = [...call.system, ...(structured.instruction === undefined ? [] : [text(structured.instruction)])]
  const sampling = quirks.sampling(call.model)
  if (!sampling && options.temperature !== undefined) {
    call.warn("dropped-parameter", `${call.model} takes no temperature; it was not sent`)
  }
  if (!sampling && options.topP !== undefined) {
    call.warn("dropped-parameter", `${call.model} takes no topP; it was not sent`)
  }
  if (options.stop !== undefined && options.stop.length > 0 && !quirks.stop(call.model)) {
    call.unsupported("stop sequences")
  }
  if (options.reasoning?.effort !== undefined && options.reasoning.effort !== "none" && !quirks.reasons(call.model)) {
    call.unsupported("reasoning")
  }
  if (options.webSearch === true && quirks.webSearch === undefined) call.unsupported("web search")
  const tools = [
    ...call.tools.map(({ description, name, schema, strict }) => ({
      type: "function",
      function: {
        name,
        ...(description === undefined ? {} : { description }),
        parameters: schema,
        ...(strict === undefined ? {} : { strict })
      }
    })),
    ...(structured.tool === undefined ? [] : [structured.tool])
  ]
  const body: Loose = {
    model: call.model,
    messages: [
      ...(system.length === 0 ? [] : [{
        role: "system",
        content: quirks.cacheControl && system.some(({ cache }) => cache !== undefined)
          ? system.map((part) => ({ type: "text", text: part.text, ...marked(part, quirks) }))
          : system.map((part) => part.text).join("\n\n")
      }]),
      ...call.messages.flatMap((message) => lowerMessage(message, call, quirks))
    ],
    ...(sampling ? { temperature: options.temperature, top_p: options.topP } : {}),
    [quirks.maxTokens]: options.maxTokens,
    stop: options.stop === undefined || options.stop.length === 0 ? undefined : options.stop,
    seed: options.seed,
    ...furtherOptions(call, {
      ...(sampling ? { presencePenalty: "presence_penalty", frequencyPenalty: "frequency_penalty" } : {}),
      ...(sampling && quirks.topK ? { topK: "top_k" } : {}),
      ...(tools.length > 0 ? { parallelToolCalls: "parallel_tool_calls" } : {})
    }),
    ...(options.reasoning === undefined || !quirks.reasons(call.model) ? {}
      : quirks.reasoning(options.reasoning, call)),
    ...(tools.length === 0 ? {} : { tools }),
    tool_choice: structured.tool !== undefined
      ? call.tools.length > 0 ? "required" : { type: "function", function: { name: answerTool } }
      : lowerToolChoice(call),
    ...structured.body,
    ...(options.webSearch === true ? quirks.webSearch?.(call) : {}),
    ...(call.stream
      ? { stream: true, ...(quirks.streamUsage ? { stream_options: { include_usage: true } } : {}) }
      : {})
  }
  return { body, codec: structured.codec, ...(structured.tool === undefined ? {} : { answerTool }) }
}

/** Effort as most hosts take it; a budget has no place on this wire. */
export const reasoningEffort: Quirks["reasoning"] = (reasoning, call) => {
  if (reasoning.effort === undefined) {
    if (reasoning.budgetTokens !== undefined) {
      call.warn("dropped-parameter", `${call.provider} takes no reasoning budget; use reasoning.effort`)
    }
    return {}
  }
  return { reasoning_effort: reasoning.effort === "max" ? "xhigh" : reasoning.effort }
}

const lowerToolChoice = ({ options, tools }: Call): unknown => {
  const choice = options.toolChoice
  if (choice === undefined || tools.length === 0) return undefined
  return typeof choice === "string" ? choice : { type: "function", function: { name: choice.tool } }
}

interface Structured {
  readonly body: Loose
  readonly codec?: Codec | undefined
  readonly instruction?: string | undefined
  readonly tool?: Loose | undefined
}

const lowerFormat = (call: Call, quirks: Quirks): Structured => {
  const { format } = call
  if (format.type === "text") return { body: {} }
  const way = call.structured ?? quirks.structured
  if (format.type === "json") {
    return {
      body: way === "prompt" || way === "tool" ? {} : { response_format: { type: "json_object" } },
      instruction: schemaInstruction(undefined)
    }
  }
  const plain = codec(format.schema, dialect.plain)
  const schema = plain?.schema ?? format.schema
  switch (way) {
    case "native": {
      const strict = codec(format.schema, dialect.openAIStrict)
      return {
        codec: strict ?? plain,
        body: {
          response_format: {
            type: "json_schema",
            json_schema: {
              name: format.name,
              ...(format.description === undefined ? {} : { description: format.description }),
              schema: strict?.schema ?? schema,
              strict: strict !== undefined
            }
          }
        }
      }
    }
    case "tool":
      return {
        codec: plain,
        body: {},
        tool: {
          type: "function",
          function: { name: answerTool, description: format.description ?? "Gives the answer", parameters: schema }
        }
      }
    case "json-mode":
      return {
        codec: plain,
        body: { response_format: { type: "json_object" } },
        instruction: schemaInstruction(schema)
      }
    case "prompt":
      return { codec: plain, body: {}, instruction: schemaInstruction(schema) }
  }
}

/** As Anthropic writes it, for hosts that pass it on. */
const marked = ({ cache }: { readonly cache?: "5m" | "1h" | undefined }, { cacheControl }: Quirks): Loose =>
  cache === undefined || !cacheControl
    ? {}
    : { cache_control: { type: "ephemeral", ...(cache === "1h" ? { ttl: cache } : {}) } }

const lowerMessage = (message: Message, call: Call, quirks: Quirks): ReadonlyArray<Loose> => {
  switch (message.role) {
    case "system":
      return [{
        role: "system",
        content: quirks.cacheControl && textsOf(message).some(({ cache }) => cache !== undefined)
          ? textsOf(message).map((part) => ({ type: "text", text: part.text, ...marked(part, quirks) }))
          : parts.systemText(message)
      }]
    case "user": {
      if (typeof message.content === "string") return [{ role: "user", content: message.content }]
      return [{
        role: "user",
        content: message.content.map((part) => ({ ...lowerUserPart(part, call), ...marked(part, quirks) }))
      }]
    }
    case "assistant":
      return [lowerAssistant(message, call, quirks)]
    case "tool":
      return [
        ...message.content.map((part) => ({
          role: "tool",
          tool_call_id: parts.shortId(part.id),
          content: parts.resultText(part),
          // The wire has no word for it; our own gateway takes this one.
          ...(part.isError === true && call.provider === providerNames.gateway ? { is_error: true } : {}),
          ...marked(part, quirks)
        })),
        ...lowerToolMedia(message.content, call)
      ]
  }
}

// A tool message holds text only: pictures follow as a user's.
const lowerToolMedia = (results: ReadonlyArray<ToolResultPart>, call: Call): ReadonlyArray<Loose> => {
  const shown = results.flatMap((result) => result.media ?? [])
  return shown.length === 0 ? [] : [{ role: "user", content: shown.map((part) => lowerUserPart(part, call)) }]
}

type UserPart = Exclude<Extract<Message, { role: "user" }>["content"], string>[number]

const audioFormats: Readonly<Record<string, string>> = {
  "audio/wav": "wav",
  "audio/x-wav": "wav",
  "audio/mpeg": "mp3",
  "audio/mp3": "mp3"
}

const lowerUserPart = (part: UserPart, call: Call): Loose => {
  switch (part.type) {
    case "text":
      return { type: "text", text: part.text }
    case "image":
      return {
        type: "image_url",
        image_url: {
          url: parts.pictureUrl(part, call),
          ...(part.detail === undefined ? {} : { detail: part.detail })
        }
      }
    case "file": {
      if (part.mediaType.startsWith("image/")) {
        return { type: "image_url", image_url: { url: parts.toUrl(part.media, part.mediaType) } }
      }
      const audio = audioFormats[part.mediaType]
      if (part.media.type === "url") return call.unsupported(`a file by URL (${part.mediaType})`)
      if (audio !== undefined) {
        return { type: "input_audio", input_audio: { data: parts.toBase64(part.media), format: audio } }
      }
      return {
        type: "file",
        file: {
          filename: part.filename ?? `file.${part.mediaType.split("/")[1] ?? "bin"}`,
          file_data: parts.toUrl(part.media, part.mediaType)
        }
      }
    }
  }
}

const lowerAssistant = (
  message: Extract<Message, { role: "assistant" }>,
  call: Call,
  quirks: Quirks
): Loose => {
  if (typeof message.content === "string") return { role: "assistant", content: message.content }
  const isGateway = call.provider === providerNames.gateway
  /** Where the parts stood at the gateway, in its own words. */
  let places: unknown
  let said = ""
  const texts: Array<Loose> = []
  const thoughts: Array<unknown> = []
  const fields: Record<string, string> = {}
  const calls: Array<Loose> = []
  for (const part of message.content) {
    if (part.type === "text") {
      if (isGateway) places ??= metadataOf(part, name)?.["places"]
      said += part.text
      texts.push({ type: "text", text: part.text, ...marked(part, quirks) })
    } else if (part.type === "tool-call") {
      const own = metadataOf(part, name)
      const extra = own?.["extra_content"]
      const carried = isGateway ? own?.["majordomo"] : undefined
      if (isGateway) places ??= own?.["places"]
      calls.push({
        id: parts.shortId(part.id),
        type: "function",
        function: { name: part.name, arguments: part.rawArguments ?? JSON.stringify(part.arguments ?? {}) },
        ...(extra === undefined ? {} : { extra_content: extra }),
        ...(carried === undefined ? {} : { majordomo: carried }),
        ...marked(part, quirks)
      })
    } else if (part.type === "reasoning") {
      // Only the host that wrote it reads it again.
      const own = metadataOf(part, name)
      if (own?.["provider"] !== call.provider) continue
      const { details, field } = own
      if (isGateway) places ??= own["places"]
      if (Array.isArray(details)) thoughts.push(...details)
      if (typeof field === "string") fields[field] = (fields[field] ?? "") + part.text
    }
  }
  // Hosts reject a thinking field on a finished turn, and some require it between tool calls.
  return {
    role: "assistant",
    content: said === "" && calls.length > 0
      ? null
      : texts.some((part) => part["cache_control"] !== undefined)
      ? texts
      : said,
    ...(places === undefined ? {} : { majordomo: { content: places } }),
    ...(thoughts.length === 0 ? {} : { reasoning_details: thoughts }),
    ...(calls.length === 0 ? {} : { ...fields, tool_calls: calls })
  }
}
