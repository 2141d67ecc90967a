/** Chat Completions requests as clients write them, read as ours. */
import type { Request } from "../../../LLM.ts"
import * as Output from "../../../Output.ts"
import * as Prompt from "../../../Prompt.ts"
import { asArray, asJsonObject, asNumber, asObject, asText, isObject, parseArguments } from "../../json/values.ts"
import { metadataIn } from "../carried.ts"
import {
  cacheOf,
  Conversation,
  effortOf,
  Fields,
  imageOf,
  jsonOutput,
  labelsOf,
  present,
  providerOptionsOf,
  reading,
  reject,
  schemaOutput,
  textIn,
  toolCallOf,
  warningsOf
} from "../reading.ts"
import type { Asked, Serve, Source } from "../serving.ts"
import { name as wireName } from "./request.ts"

/** The provider of ours that speaks all of this wire, and another one with which it shares some fields. */
const native = "openai"

export const read: Serve["read"] = (body, source) => reading(body, source, asked)

const asked = (fields: Fields, source: Source): Asked => {
  const model = source.model ?? fields.needed("model")
  fields.skip("model", "store")
  const stream = fields.flag("stream") ?? false
  const streamOptions = fields.object("stream_options")
  const includeUsage = streamOptions?.flag("include_usage") ?? false
  streamOptions?.skip("include_obfuscation")
  fields.refuse("n", "one answer is given to a request; send it several times for more", (n) => n === 1)
  fields.refuse("logprobs", "probabilities of tokens are not given here; leave logprobs out", (on) => on === false)
  fields.refuse("top_logprobs", "probabilities of tokens are not given here; leave top_logprobs out", (n) => n === 0)
  fields.refuse("audio", "answers are text; leave audio out")
  fields.refuse(
    "modalities",
    "answers are text; leave modalities out",
    (list) => asArray(list).every((one) => one === "text")
  )
  fields.refuse("functions", "functions are called tools: send them as tools", (list) => asArray(list).length === 0)
  fields.refuse("function_call", "send tool_choice in the place of function_call")
  const shared = fields.pass("service_tier", "prompt_cache_key", "prompt_cache_retention", "safety_identifier")
  const own = fields.pass("logit_bias", "prediction")
  const verbosity = fields.pass("verbosity")
  const isVerbose = Object.keys(verbosity).length > 0
  const conversation = new Conversation()
  for (const message of fields.objects("messages")) readMessage(message, conversation, source)
  const { maxTokens, reasoning, reasoningFields } = readReasoning(fields)
  const stop = fields.take("stop")
  return {
    model,
    stream,
    includeUsage,
    request: present({
      prompt: conversation.messages,
      output: readFormat(fields.object("response_format")),
      temperature: fields.number("temperature"),
      topP: fields.number("top_p"),
      topK: fields.number("top_k"),
      maxTokens,
      stop: typeof stop === "string" ? [stop] : stop === undefined ? undefined : fields.texts("stop"),
      seed: fields.number("seed"),
      presencePenalty: fields.number("presence_penalty"),
      frequencyPenalty: fields.number("frequency_penalty"),
      reasoning,
      ...readTools(fields),
      parallelToolCalls: fields.flag("parallel_tool_calls"),
      webSearch: fields.object("web_search_options") === undefined ? undefined : true,
      ...labelsOf(fields.object("metadata"), fields.text("user")),
      ...providerOptionsOf({
        [native]: shared,
        "openai-chat": { ...own, ...verbosity },
        "openai-responses": isVerbose ? { text: verbosity } : {}
      })
    }),
    warnings: warningsOf(
      [fields, reasoningFields, ...fields.read("tools", "stream_options", "response_format")],
      { [native]: { ...shared, ...verbosity }, "openai-chat": own },
      source.provider
    )
  }
}

const readReasoning = (fields: Fields) => {
  const reasoningFields = fields.object("reasoning")
  const effort = effortOf(fields.text("reasoning_effort") ?? reasoningFields?.text("effort"), "reasoning_effort")
  const budgetTokens = reasoningFields?.number("max_tokens")
  const maxTokens = fields.number("max_completion_tokens") ?? fields.number("max_tokens")
  fields.skip("max_tokens")
  return {
    maxTokens,
    reasoningFields,
    reasoning: effort === undefined && budgetTokens === undefined ? undefined : present({ effort, budgetTokens })
  }
}

const readFormat = (format: Fields | undefined) => {
  const type = format?.text("type") ?? "text"
  if (format === undefined || type === "text") return Output.text
  if (type === "json_object") return jsonOutput
  const given = format.object("json_schema")
  const schema = given?.json("schema")
  given?.skip("strict")
  if (type !== "json_schema" || given === undefined || schema === undefined) {
    return reject("response_format must be text, json_object, or json_schema with a schema", "response_format")
  }
  return schemaOutput(schema, given.text("name"), given.text("description"))
}

const readTools = (fields: Fields) => {
  const tools = fields.objects("tools").map((tool) => {
    const fn = tool.object("function")
    if ((tool.text("type") ?? "function") !== "function" || fn === undefined) {
      return reject(`${tool.at}: tools are functions here; describe it with a JSON Schema`, tool.at)
    }
    return present({
      name: fn.needed("name"),
      description: fn.text("description"),
      parameters: fn.json("parameters") ?? { type: "object", properties: {} },
      strict: fn.flag("strict")
    })
  })
  const choice = fields.take("tool_choice")
  const named = asObject(asObject(choice)["function"])["name"]
  const toolChoice: Request<string>["toolChoice"] = choice === "auto" || choice === "none" || choice === "required"
    ? choice
    : typeof named === "string"
    ? { tool: named }
    : choice === undefined
    ? undefined
    : reject("tool_choice must be auto, none, required or a function's name", "tool_choice")
  return { tools: tools.length === 0 ? undefined : tools, toolChoice: tools.length === 0 ? undefined : toolChoice }
}

const readMessage = (message: Fields, conversation: Conversation, source: Source): void => {
  const role = message.needed("role")
  switch (role) {
    case "system":
    case "developer":
      return conversation.system(readTexts(message))
    case "user": {
      const content = message.take("content")
      return conversation.user(typeof content === "string" ? content : message.objects("content").map(readPart))
    }
    case "assistant":
      return conversation.assistant(readAssistant(message, source))
    case "tool":
      return conversation.result({
        id: message.needed("tool_call_id"),
        result: textIn(message, "content", ["text"]),
        ...(message.flag("is_error") === true ? { isError: true } : {}),
        ...cacheIn(message)
      }, message.place("tool_call_id"))
    default:
      return reject(`${message.place("role")}: there is no role ${JSON.stringify(role)} here`, message.place("role"))
  }
}

/** Of a message, or of the last part of its content. */
const cacheIn = (message: Fields) => {
  const own = cacheOf(message)
  const last = asArray(message.value["content"]).at(-1)
  return own.cache === undefined && isObject(last) ? cacheOf(new Fields(last, message.place("content"))) : own
}

const readTexts = (message: Fields): Prompt.SystemMessage["content"] => {
  const content = message.take("content")
  if (typeof content === "string") return content
  return message.objects("content").map((part) => ({
    type: "text",
    text: part.text("text") ?? reject(`${part.at}: instructions are text`, part.at),
    ...cacheOf(part)
  }))
}

const readPart = (part: Fields): Prompt.TextPart | Prompt.ImagePart | Prompt.FilePart => {
  const type = part.text("type")
  const cache = cacheOf(part)
  switch (type) {
    case "text":
      return { type: "text", text: part.needed("text"), ...cache }
    case "image_url": {
      const image = part.object("image_url")
      const url = image?.needed("url") ?? reject(`${part.at}.image_url is missing`, part.at)
      return { ...imageOf(url, part.place("image_url"), image?.text("detail")), ...cache }
    }
    case "input_audio": {
      const audio = part.object("input_audio")
      const format = audio?.text("format") ?? "wav"
      return {
        ...Prompt.file(audio?.needed("data") ?? "", { mediaType: format === "mp3" ? "audio/mpeg" : `audio/${format}` }),
        ...cache
      }
    }
    case "file": {
      const file = part.object("file")
      const data = file?.text("file_data")
      if (data === undefined) {
        return reject(`${part.at}: send the file's content as file_data; ids of files mean nothing here`, part.at)
      }
      return { ...Prompt.file(data, { filename: file?.text("filename") }), ...cache }
    }
    default:
      return reject(`${part.at}: a part of the type ${JSON.stringify(type)} cannot be sent`, part.at)
  }
}

const readAssistant = (message: Fields, source: Source): ReadonlyArray<Prompt.AssistantPart> => {
  const field = typeof message.value["reasoning_content"] === "string" ? "reasoning_content" : "reasoning"
  const thought = message.text(field) ?? ""
  const text = textIn(message, "content", ["text", "refusal"]) || (message.text("refusal") ?? "")
  const calls = message.objects("tool_calls").map((call) => {
    const fn = call.object("function")
    if (fn === undefined) return reject(`${call.at}: calls are of functions here`, call.at)
    const raw = fn.text("arguments") ?? ""
    const extra = call.json("extra_content")
    return {
      ...toolCallOf(
        call.needed("id"),
        fn.needed("name"),
        raw,
        parseArguments(raw),
        metadataIn(call.value) ?? (extra === undefined ? undefined : { [wireName]: { extra_content: extra } })
      ),
      ...cacheOf(call)
    }
  })
  const details = message.list("reasoning_details").map(asJsonObject)
  const kept = placed(message.take("majordomo"), text, calls)
  if (kept !== undefined) return kept
  return [
    ...(thought === "" && details.length === 0 ? [] : [{
      type: "reasoning" as const,
      text: thought,
      providerMetadata: {
        [wireName]: { provider: source.provider, ...(details.length > 0 ? { details } : { field }) }
      }
    }]),
    ...textsOf(message, text),
    ...calls
  ]
}

/** One text, unless there are marks of a cache on pieces of it. */
const textsOf = (message: Fields, text: string): ReadonlyArray<Prompt.TextPart> => {
  if (text === "") return []
  if (typeof message.value["content"] === "string") return [Prompt.text(text)]
  const pieces = message.objects("content").map((part) => Prompt.text(part.text("text") ?? "", cacheOf(part)))
  return pieces.some(({ cache }) => cache !== undefined) ? pieces : [Prompt.text(text)]
}

/** The parts of an answer as they were, by what was sent along with it; undefined when somebody has changed them. */
const placed = (
  extension: unknown,
  text: string,
  calls: ReadonlyArray<Prompt.ToolCallPart>
): ReadonlyArray<Prompt.AssistantPart> | undefined => {
  if (!isObject(extension)) return undefined
  const listed = asArray(extension["content"]).map(asObject)
  if (listed.length === 0) return undefined
  let at = 0
  let used = 0
  const parts: Array<Prompt.AssistantPart> = []
  for (const item of listed) {
    const { length, text: thought, type, value, wire } = item
    const providerMetadata = metadataIn(item)
    const own = providerMetadata === undefined ? {} : { providerMetadata }
    if (type === "text") {
      const end = at + (asNumber(length) ?? 0)
      parts.push({ type, text: text.slice(at, end), ...own })
      at = end
    } else if (type === "reasoning") parts.push({ type, text: asText(thought), ...own })
    else if (type === "tool-call") {
      const call = calls[used++]
      if (call === undefined) return undefined
      parts.push({ ...call, ...own })
    } else if (type === "provider" && typeof wire === "string" && isObject(value)) {
      parts.push({ type, wire, value: asJsonObject(value) })
    }
  }
  return at === text.length && used === calls.length ? parts : undefined
}
