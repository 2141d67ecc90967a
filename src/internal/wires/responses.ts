/**
 * OpenAI's Responses wire. Source: developers.openai.com/api/reference/responses, recorded traffic, 2026-11.
 */
import type { JsonObject, Message } from "../../Prompt.ts"
import * as capabilities from "../capabilities.ts"
import type { Completion, ErrorFacts } from "../completion.ts"
import type { Call, Lowered, Wire } from "../driver.ts"
import { readErrorBody } from "../errors.ts"
import type { WireEvent } from "../framing.ts"
import { asArray, asJsonObject, asNumber, asObject, asString, isObject, type Loose, parse } from "../json.ts"
import * as parts from "../parts.ts"
import type { Codec } from "../schema/codec.ts"
import { codec } from "../schema/codec.ts"
import * as dialect from "../schema/dialect.ts"
import { answerTool, schemaInstruction } from "../structured.ts"

export interface Quirks {
  /** Let OpenAI keep the conversation; without it reasoning travels encrypted. */
  readonly store: boolean
  /** How much of the reasoning is shown; false asks for none. */
  readonly reasoningSummary: "auto" | "concise" | "detailed" | false
}

export interface State {
  /** Output items whose content came as deltas already. */
  readonly streamed: Set<string>
}

const name = "openai-responses"

export const wire = (quirks: Quirks): Wire<State> => ({
  name,
  toolName: /^[a-zA-Z0-9_-]{1,64}$/,
  strictTools: dialect.openAIStrict,
  lower: (call) => lower(call, quirks),
  read,
  initial: () => ({ streamed: new Set() }),
  step,
  isComplete: (completion) => completion.done,
  readError
})

// ── request ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const lower = (call: Call, quirks: Quirks): Lowered => {
  const { model, options } = call
  if (options.stop !== undefined && options.stop.length > 0) {
    call.unsupported("stop sequences (the Responses API has none; use OpenAIChat)")
  }
  if (options.seed !== undefined) call.warn("dropped-parameter", "the Responses API takes no seed; it was not sent")
  if (options.webSearch === true && !capabilities.webSearch("openai", model)) call.unsupported("web search")
  const sampling = capabilities.sampling(call.provider, model)
  for (const parameter of ["temperature", "topP"] as const) {
    if (!sampling && options[parameter] !== undefined) {
      call.warn("dropped-parameter", `${model} takes no ${parameter}; it was not sent`)
    }
  }
  const structured = lowerFormat(call)
  const system = [
    ...call.system.map((part) => part.text),
    ...(structured.instruction === undefined ? [] : [structured.instruction])
  ]
  const tools = [
    ...call.tools.map(({ description, name, schema, strict }) => ({
      type: "function",
      name,
      ...(description === undefined ? {} : { description }),
      parameters: schema,
      // The API makes tools strict unless told not to, which changes optional fields.
      strict: strict ?? false
    })),
    ...(structured.tool === undefined ? [] : [structured.tool]),
    ...(options.webSearch === true ? [{ type: "web_search" }] : [])
  ]
  return {
    codec: structured.codec,
    ...(structured.tool === undefined ? {} : { answerTool }),
    body: {
      model,
      ...(system.length === 0 ? {} : { instructions: system.join("\n\n") }),
      input: [
        ...(structured.hint === undefined ? [] : [{ role: "developer", content: structured.hint }]),
        ...call.messages.flatMap((message) => lowerMessage(message, call, quirks))
      ],
      ...(sampling ? { temperature: options.temperature, top_p: options.topP } : {}),
      max_output_tokens: options.maxTokens,
      ...(tools.length === 0 ? {} : { tools }),
      tool_choice: structured.tool !== undefined
        ? call.tools.length > 0 ? "required" : { type: "function", name: answerTool }
        : lowerToolChoice(call),
      ...lowerReasoning(call, quirks),
      ...(structured.text === undefined ? {} : { text: structured.text }),
      store: quirks.store,
      ...(call.stream ? { stream: true } : {})
    }
  }
}

const lowerReasoning = (call: Call, quirks: Quirks): Loose => {
  const reasons = capabilities.openAIReasons(call.model)
  const { reasoning } = call.options
  const asked = reasons === true || (reasons === undefined && reasoning !== undefined && reasoning.effort !== "none")
  const include = asked && !quirks.store ? { include: ["reasoning.encrypted_content"] } : {}
  if (reasoning === undefined) return include
  if (reasoning.budgetTokens !== undefined) {
    call.warn("dropped-parameter", "OpenAI takes no reasoning budget; use reasoning.effort")
  }
  if (reasons === false) {
    if (reasoning.effort === "none" || reasoning.effort === undefined) return include
    call.unsupported("reasoning")
  }
  return {
    ...include,
    reasoning: {
      ...(reasoning.effort === undefined ? {} : { effort: reasoning.effort === "max" ? "xhigh" : reasoning.effort }),
      ...(quirks.reasoningSummary === false || reasoning.effort === "none" ? {} : { summary: quirks.reasoningSummary })
    }
  }
}

const lowerToolChoice = ({ options, tools }: Call): unknown => {
  const choice = options.toolChoice
  if (choice === undefined || tools.length === 0) return undefined
  return typeof choice === "string" ? choice : { type: "function", name: choice.tool }
}

interface Structured {
  readonly codec?: Codec | undefined
  readonly text?: Loose | undefined
  readonly instruction?: string | undefined
  /** The same as a message: JSON mode wants JSON to be spoken of in the input, where instructions do not count. */
  readonly hint?: string | undefined
  readonly tool?: Loose | undefined
}

const lowerFormat = (call: Call): Structured => {
  const { format } = call
  if (format.type === "text") return {}
  const way = call.structured ?? "native"
  if (format.type === "json") {
    const hint = schemaInstruction(undefined)
    return way === "prompt" || way === "tool"
      ? { instruction: hint }
      : { text: { format: { type: "json_object" } }, hint }
  }
  const plain = codec(format.schema, dialect.plain)
  const schema = plain?.schema ?? format.schema
  switch (way) {
    case "native": {
      const strict = codec(format.schema, dialect.openAIStrict)
      return {
        codec: strict ?? plain,
        text: {
          format: {
            type: "json_schema",
            name: format.name,
            ...(format.description === undefined ? {} : { description: format.description }),
            schema: strict?.schema ?? schema,
            strict: strict !== undefined
          }
        }
      }
    }
    case "json-mode":
      return {
        codec: plain,
        text: { format: { type: "json_object" } },
        hint: schemaInstruction(schema)
      }
    case "prompt":
      return { codec: plain, instruction: schemaInstruction(schema) }
    case "tool":
      return {
        codec: plain,
        tool: {
          type: "function",
          name: answerTool,
          description: format.description ?? "Gives the answer",
          parameters: schema,
          strict: false
        }
      }
  }
}

const lowerMessage = (message: Message, call: Call, quirks: Quirks): ReadonlyArray<Loose> => {
  switch (message.role) {
    case "system":
      return [{
        role: "system",
        content: typeof message.content === "string"
          ? message.content
          : message.content.map((part) => part.text).join("\n")
      }]
    case "user":
      return [{
        role: "user",
        content: typeof message.content === "string"
          ? message.content
          : message.content.map((part) => lowerUserPart(part, call))
      }]
    case "assistant":
      return lowerAssistant(message, call, quirks)
    case "tool":
      return message.content.map((part) => ({
        type: "function_call_output",
        call_id: part.id,
        output: part.media === undefined || part.media.length === 0
          ? parts.resultText(part)
          : [
            { type: "input_text", text: parts.resultText(part) },
            ...part.media.map((item) => lowerUserPart(item, call))
          ]
      }))
  }
}

type UserPart = Exclude<Extract<Message, { role: "user" }>["content"], string>[number]

const lowerUserPart = (part: UserPart, call: Call): Loose => {
  switch (part.type) {
    case "text":
      return { type: "input_text", text: part.text }
    case "image":
      return {
        type: "input_image",
        image_url: parts.toUrl(part.media, part.mediaType ?? "image/png"),
        detail: part.detail ?? "auto"
      }
    case "file":
      if (part.mediaType.startsWith("image/")) {
        return { type: "input_image", image_url: parts.toUrl(part.media, part.mediaType), detail: "auto" }
      }
      if (part.mediaType.startsWith("audio/") || part.mediaType.startsWith("video/")) {
        return call.unsupported(`a file of type ${part.mediaType}`)
      }
      return part.media.type === "url"
        ? { type: "input_file", file_url: part.media.url }
        : {
          type: "input_file",
          filename: part.filename ?? `file.${part.mediaType.split("/")[1] ?? "bin"}`,
          file_data: parts.toUrl(part.media, part.mediaType)
        }
  }
}

const lowerAssistant = (
  message: Extract<Message, { role: "assistant" }>,
  call: Call,
  quirks: Quirks
): ReadonlyArray<Loose> => {
  if (typeof message.content === "string") return [{ role: "assistant", content: message.content }]
  return message.content.flatMap((part): ReadonlyArray<Loose> => {
    switch (part.type) {
      case "text": {
        const phase = part.providerMetadata?.[name]?.["phase"]
        return part.text === "" ? [] : [{
          type: "message",
          role: "assistant",
          content: [{ type: "output_text", text: part.text, annotations: [] }],
          ...(phase === undefined ? {} : { phase })
        }]
      }
      case "reasoning": {
        const own = part.providerMetadata?.[name]
        const item = own?.["item"]
        // Only who wrote it can read it; what is neither stored nor encrypted, nobody can.
        return isObject(item) && own?.["provider"] === call.provider &&
            (quirks.store || typeof item["encrypted_content"] === "string")
          ? [item]
          : []
      }
      case "tool-call":
        return [
          part.providerMetadata?.[name]?.["custom"] === true
            ? { type: "custom_tool_call", call_id: part.id, name: part.name, input: part.rawArguments ?? "" }
            : {
              type: "function_call",
              call_id: part.id,
              name: part.name,
              arguments: part.rawArguments ?? JSON.stringify(part.arguments ?? {})
            }
        ]
      case "provider":
        return part.wire === `${name}:${call.provider}` ? [part.value] : []
    }
  })
}

// ── answer ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const readError = (body: unknown): ErrorFacts | undefined => {
  if (isObject(body) && Array.isArray(body["output"]) && !isObject(body["error"])) return undefined
  return isObject(body) || Array.isArray(body) ? readErrorBody(body) : undefined
}

const read = (body: Loose, completion: Completion, call: Call): void => {
  for (const [i, item] of asArray(body["output"]).entries()) {
    readItem(new Set(), String(i), asJsonObject(item), completion, call)
  }
  readResponse(body, completion)
  if (Array.isArray(body["output"])) completion.done = true
}

/** A whole output item; of one whose deltas were seen, only what they lack. */
const readItem = (
  streamed: ReadonlySet<string>,
  index: string,
  item: JsonObject,
  completion: Completion,
  call: Call
): void => {
  switch (item["type"]) {
    case "message": {
      const phase = asString(item["phase"])
      const key = textKey(index)
      for (const content of streamed.has(key) ? [] : asArray(item["content"])) {
        const part = asObject(content)
        if (part["type"] === "refusal") {
          completion.refusal = (completion.refusal ?? "") + (asString(part["refusal"]) ?? "")
        } else completion.text(key, asString(part["text"]) ?? "")
      }
      if (phase !== undefined) completion.metadata(key, "text", { [name]: { phase } })
      return completion.close(key)
    }
    case "reasoning": {
      const key = reasoningKey(index)
      if (!streamed.has(key)) {
        const shown = asArray(item["summary"]).length > 0 ? asArray(item["summary"]) : asArray(item["content"])
        for (const part of shown) completion.reasoning(key, asString(asObject(part)["text"]) ?? "")
      }
      completion.metadata(key, "reasoning", { [name]: { provider: call.provider, item: carried(item) } })
      return completion.close(key)
    }
    case "function_call":
    case "custom_tool_call": {
      const key = callKey(index)
      const custom = item["type"] === "custom_tool_call"
      announce(key, item, completion)
      completion.setToolArguments(key, asString(custom ? item["input"] : item["arguments"]) ?? "")
      return completion.close(key)
    }
    default:
      if (item["type"] === "web_search_call" && isSearch(item)) {
        completion.webSearches++
      }
      if (typeof item["type"] === "string") completion.provider(name, item)
  }
}

/** Opening a page or looking in one is not billed. */
const isSearch = (item: JsonObject): boolean => (asString(asObject(item["action"])["type"]) ?? "search") === "search"

/** What goes back on the next turn: the status of reasoning belongs to the answer only. */
const carried = (item: JsonObject): JsonObject => {
  const { status: _, ...rest } = item
  return rest
}

const announce = (key: string, item: JsonObject, completion: Completion): void =>
  completion.toolCall(key, {
    id: asString(item["call_id"]) ?? asString(item["id"]),
    name: asString(item["name"]),
    ...(item["type"] === "custom_tool_call" ? { plain: true, metadata: { [name]: { custom: true } } } : {})
  })

const textKey = (output: string) => `text-${output}`
const reasoningKey = (output: string) => `reasoning-${output}`
const callKey = (output: string) => `call-${output}`

/** Which output item an event is about: its number, or its id where a host leaves the number out. */
const outputOf = (data: Loose): string =>
  String(asNumber(data["output_index"]) ?? asString(data["item_id"]) ?? asString(asObject(data["item"])["id"]) ?? 0)

const step = (state: State, event: WireEvent, completion: Completion, call: Call): void => {
  if (event.data.trim() === "[DONE]") return
  const data = parse(event.data)
  if (!isObject(data)) {
    completion.malformed = "an event of the stream is not a JSON object"
    return
  }
  const type = asString(data["type"]) ?? event.event
  const output = outputOf(data)
  const delta = asString(data["delta"]) ?? ""
  switch (type) {
    case "response.output_text.delta": {
      const key = textKey(output)
      state.streamed.add(key)
      return completion.text(key, delta)
    }
    case "response.reasoning_summary_text.delta":
    case "response.reasoning_text.delta": {
      const key = reasoningKey(output)
      state.streamed.add(key)
      return completion.reasoning(key, delta)
    }
    case "response.refusal.delta": {
      state.streamed.add(textKey(output))
      completion.refusal = (completion.refusal ?? "") + delta
      return
    }
    case "response.function_call_arguments.delta":
    case "response.custom_tool_call_input.delta":
      return completion.toolArguments(callKey(output), delta)
    case "response.output_item.added": {
      const item = asJsonObject(data["item"])
      if (item["type"] === "function_call" || item["type"] === "custom_tool_call") {
        announce(callKey(output), item, completion)
      }
      return
    }
    case "response.output_item.done": {
      state.streamed.add(`item-${output}`)
      return readItem(state.streamed, output, asJsonObject(data["item"]), completion, call)
    }
    case "response.created":
    case "response.in_progress":
    case "response.queued":
      return readEnvelope(asObject(data["response"]), completion)
    case "response.completed":
    case "response.incomplete":
    case "response.failed": {
      const response = asObject(data["response"])
      // Some hosts leave the item events out.
      for (const [i, item] of asArray(response["output"]).entries()) {
        const { id } = asObject(item)
        if (state.streamed.has(`item-${i}`) || state.streamed.has(`item-${String(id)}`)) continue
        readItem(state.streamed, String(i), asJsonObject(item), completion, call)
      }
      readResponse(response, completion)
      if (type === "response.failed") completion.failure ??= { message: "the provider says the response failed" }
      completion.done = true
      return
    }
    case "error":
      completion.failure = readErrorBody(isObject(data["error"]) ? data : { error: data }) ??
        { message: "the provider sent an error event" }
      return
    default:
      if (isObject(data["error"])) completion.failure = readErrorBody(data)
  }
}

const readEnvelope = (response: Loose, completion: Completion): void => {
  completion.id ??= asString(response["id"])
  completion.model = asString(response["model"]) ?? completion.model
  completion.serviceTier = asString(response["service_tier"]) ?? completion.serviceTier
}

/** What the response object says beside its output. */
const readResponse = (response: Loose, completion: Completion): void => {
  readEnvelope(response, completion)
  if (isObject(response["usage"])) readUsage(response["usage"], completion)
  if (isObject(response["error"])) completion.failure = readErrorBody({ error: response["error"] })
  const status = asString(response["status"])
  const reason = asString(asObject(response["incomplete_details"])["reason"])
  completion.rawFinishReason = reason ?? status
  if (reason === "max_output_tokens" || reason === "max_tokens") completion.finishReason = "length"
  else if (reason === "content_filter") {
    completion.finishReason = "content-filter"
    completion.filter = reason
  } else if (status === "failed") completion.failure ??= { message: "the provider says the response failed" }
  else completion.finishReason = status === "completed" || status === "complete" ? "stop" : "other"
}

const readUsage = (usage: Loose, completion: Completion): void => {
  const input = asObject(usage["input_tokens_details"])
  const inputTokens = asNumber(usage["input_tokens"])
  const outputTokens = asNumber(usage["output_tokens"])
  const reasoning = asNumber(asObject(usage["output_tokens_details"])["reasoning_tokens"])
  const total = asNumber(usage["total_tokens"])
  const beside = reasoning !== undefined && reasoning > 0 &&
    total === (inputTokens ?? 0) + (outputTokens ?? 0) + reasoning
  completion.rawUsage = {
    input: inputTokens,
    output: beside ? (outputTokens ?? 0) + reasoning : outputTokens,
    cached: asNumber(input["cached_tokens"]),
    cacheCreation: asNumber(input["cache_write_tokens"]),
    reasoning
  }
  const cost = asNumber(usage["cost"])
  const ticks = asNumber(usage["cost_in_usd_ticks"])
  const searches = asNumber(asObject(usage["server_side_tool_usage_details"])["web_search_calls"])
  if (searches !== undefined) completion.webSearches = searches
  if (cost !== undefined) {
    const details = asObject(usage["cost_details"])
    completion.providerCost = {
      total: cost,
      input: asNumber(details["upstream_inference_input_cost"]),
      output: asNumber(details["upstream_inference_output_cost"])
    }
  } else if (ticks !== undefined && ticks > 0) {
    // xAI: 10^10 ticks are one dollar. Resellers send 0, which is no price.
    completion.providerCost = { total: ticks / 1e10 }
  }
}
