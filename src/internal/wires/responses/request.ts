/** Responses requests: from a call to the body that is sent. */
import type { Message } from "../../../Prompt.ts"
import type { Call, Lowered } from "../../call/driver.ts"
import { isObject, type Loose } from "../../json/values.ts"
import * as capabilities from "../../models/capabilities.ts"
import type { Codec } from "../../schema/codec.ts"
import { codec } from "../../schema/codec.ts"
import * as dialect from "../../schema/dialect.ts"
import { furtherOptions } from "../furtherOptions.ts"
import { isOwn, metadataOf } from "../metadata.ts"
import * as parts from "../parts.ts"
import { answerTool, schemaInstruction } from "../structuredAnswer.ts"

export interface Quirks {
  /** Let OpenAI keep the conversation; without it reasoning travels encrypted. */
  readonly store: boolean
  /** How much of the reasoning is shown; false asks for none. */
  readonly reasoningSummary: "auto" | "concise" | "detailed" | false
}

/** The wire's name: under it stands what the next turn needs. */
export const name = "responses"

export const lower = (call: Call, quirks: Quirks): Lowered => {
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
      ...furtherOptions(call, tools.length > 0 ? { parallelToolCalls: "parallel_tool_calls" } : {}),
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
        content: parts.systemText(message)
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
        image_url: parts.pictureUrl(part, call),
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
        const phase = metadataOf(part, name)?.["phase"]
        return part.text === "" ? [] : [{
          type: "message",
          role: "assistant",
          content: [{ type: "output_text", text: part.text, annotations: [] }],
          ...(phase === undefined ? {} : { phase })
        }]
      }
      case "reasoning": {
        const own = metadataOf(part, name)
        const item = own?.["item"]
        // Only who wrote it can read it; what is neither stored nor encrypted, nobody can.
        return isObject(item) && own?.["provider"] === call.provider &&
            (quirks.store || typeof item["encrypted_content"] === "string")
          ? [item]
          : []
      }
      case "tool-call":
        return [
          metadataOf(part, name)?.["custom"] === true
            ? { type: "custom_tool_call", call_id: part.id, name: part.name, input: part.rawArguments ?? "" }
            : {
              type: "function_call",
              call_id: part.id,
              name: part.name,
              arguments: part.rawArguments ?? JSON.stringify(part.arguments ?? {})
            }
        ]
      case "provider":
        return isOwn(part, name, call.provider) ? [part.value] : []
    }
  })
}
