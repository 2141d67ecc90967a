/** Messages requests as clients write them, read as ours. */
import type { Request } from "../../../LLM.ts"
import * as Output from "../../../Output.ts"
import * as Prompt from "../../../Prompt.ts"
import { asJsonObject } from "../../json/values.ts"
import { unpack } from "../carried.ts"
import {
  cacheOf,
  Conversation,
  effortOf,
  Fields,
  imageOf,
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

/** The provider of ours that speaks all of this wire. */
const native = "anthropic"

export const read: Serve["read"] = (body, source) => reading(body, source, asked)

const asked = (fields: Fields, source: Source): Asked => {
  const model = source.model ?? fields.needed("model")
  fields.skip("model")
  for (const name of ["container", "mcp_servers", "context_management"]) {
    fields.refuse(name, `${name} is state that the provider keeps, and none is kept here; send the conversation whole`)
  }
  const passed = { [native]: fields.pass("service_tier", "inference_geo") }
  const conversation = new Conversation()
  for (const message of fields.objects("messages")) readMessage(message, conversation, source)
  const { isAdaptive, reasoning, thinking } = readThinking(fields)
  const config = fields.object("output_config")
  // The provider's own default.
  const effort = effortOf(config?.text("effort"), "output_config.effort") ?? (isAdaptive ? "high" : undefined)
  const metadata = fields.object("metadata")
  return {
    model,
    stream: fields.flag("stream") ?? false,
    includeUsage: true,
    request: present({
      prompt: [...readSystem(fields), ...conversation.messages],
      output: readFormat(config?.object("format") ?? fields.object("output_format")),
      temperature: fields.number("temperature"),
      topP: fields.number("top_p"),
      topK: fields.number("top_k"),
      maxTokens: fields.number("max_tokens") ?? reject("max_tokens is missing", "max_tokens"),
      stop: fields.value["stop_sequences"] === undefined ? undefined : fields.texts("stop_sequences"),
      reasoning: reasoning === undefined && effort === undefined ? undefined : present({ effort, ...reasoning }),
      ...readTools(fields),
      ...labelsOf(undefined, metadata?.text("user_id")),
      ...providerOptionsOf(passed)
    }),
    warnings: warningsOf(
      [fields, thinking, config, metadata, ...fields.read("tools", "tool_choice")],
      passed,
      source.provider
    )
  }
}

const readThinking = (fields: Fields) => {
  const thinking = fields.object("thinking")
  const type = thinking?.text("type")
  thinking?.skip("display")
  const budgetTokens = thinking?.number("budget_tokens")
  const reasoning: Request<string>["reasoning"] = type === "disabled"
    ? { effort: "none" }
    : type === "enabled" && budgetTokens !== undefined
    ? { budgetTokens }
    : undefined
  return { thinking, reasoning, isAdaptive: type === "adaptive" }
}

const readSystem = (fields: Fields): ReadonlyArray<Prompt.SystemMessage> => {
  const system = fields.take("system")
  if (system === undefined || system === "") return []
  if (typeof system === "string") return [Prompt.system(system)]
  const content = fields.objects("system").map((part): Prompt.TextPart => ({
    type: "text",
    text: part.needed("text"),
    ...cacheOf(part)
  }))
  return content.length === 0 ? [] : [{ role: "system", content }]
}

const readFormat = (format: Fields | undefined) => {
  if (format === undefined) return Output.text
  const schema = format.json("schema")
  return format.text("type") === "json_schema" && schema !== undefined
    ? schemaOutput(schema, undefined, undefined)
    : reject(`${format.at} must be a json_schema with a schema`, format.at)
}

const readTools = (
  fields: Fields
): Pick<Request<string>, "tools" | "toolChoice" | "parallelToolCalls" | "webSearch"> => {
  let webSearch: true | undefined
  const tools = fields.objects("tools").flatMap((tool) => {
    const type = tool.text("type") ?? "custom"
    if (type.startsWith("web_search_")) {
      tool.skip("name")
      webSearch = true
      return []
    }
    if (type !== "custom") {
      return reject(`${tool.at}: ${type} runs at Anthropic only; here are tools that the client runs`, tool.at)
    }
    return [present({
      name: tool.needed("name"),
      description: tool.text("description"),
      parameters: tool.json("input_schema") ?? reject(`${tool.at}.input_schema is missing`, tool.at),
      strict: tool.flag("strict")
    })]
  })
  const choice = fields.object("tool_choice")
  const parallelToolCalls = choice?.flag("disable_parallel_tool_use") === true ? false : undefined
  return present({
    tools: tools.length === 0 ? undefined : tools,
    toolChoice: tools.length === 0 || choice === undefined ? undefined : choiceOf(choice),
    parallelToolCalls,
    webSearch
  })
}

const choiceOf = (choice: Fields): Request<string>["toolChoice"] => {
  const type = choice.needed("type")
  switch (type) {
    case "auto":
    case "none":
      return type
    case "any":
      return "required"
    case "tool":
      return { tool: choice.needed("name") }
    default:
      return reject("tool_choice.type must be auto, any, tool or none", "tool_choice")
  }
}

const readMessage = (message: Fields, conversation: Conversation, source: Source): void => {
  const role = message.needed("role")
  const text = message.take("content")
  const content: ReadonlyArray<Fields> = typeof text === "string"
    ? text === "" ? [] : [new Fields({ type: "text", text }, message.place("content"))]
    : message.objects("content")
  if (role === "assistant") return conversation.assistant(readAnswer(content, source))
  if (role === "system") {
    return conversation.system(
      content.map((block) => ({ type: "text", text: block.needed("text"), ...cacheOf(block) }))
    )
  }
  if (role !== "user") reject(`${message.place("role")} must be user or assistant`, message.place("role"))
  const said: Array<Prompt.TextPart | Prompt.ImagePart | Prompt.FilePart> = []
  for (const block of content) {
    if (block.text("type") === "tool_result") readResult(block, conversation)
    else said.push(readPart(block))
  }
  conversation.user(said)
}

const readPart = (block: Fields): Prompt.TextPart | Prompt.ImagePart | Prompt.FilePart => {
  const type = block.text("type")
  const cache = cacheOf(block)
  switch (type) {
    case "text":
      return { type: "text", text: block.needed("text"), ...cache }
    case "image":
    case "document":
      return { ...readMedia(block, type), ...cache }
    case "search_result":
      return { type: "text", text: `${block.text("title") ?? ""}\n${textIn(block, "content", ["text"])}`, ...cache }
    default:
      return reject(`${block.at}: a block of the type ${JSON.stringify(type)} cannot be sent`, block.at)
  }
}

const readMedia = (block: Fields, type: "image" | "document"): Prompt.ImagePart | Prompt.FilePart => {
  const source = block.object("source") ?? reject(`${block.at}.source is missing`, block.at)
  const filename = block.text("title")
  const mediaType = source.text("media_type")
  switch (source.text("type")) {
    case "base64":
      return type === "image"
        ? Prompt.image(source.needed("data"), { mediaType })
        : Prompt.file(source.needed("data"), { mediaType, filename })
    case "url": {
      const url = source.needed("url")
      return type === "image" ? imageOf(url, source.place("url")) : Prompt.file(url, { mediaType, filename })
    }
    case "text":
      return Prompt.file(new TextEncoder().encode(source.needed("data")), { mediaType: "text/plain", filename })
    case "content":
      return Prompt.file(new TextEncoder().encode(textIn(source, "content", ["text"])), {
        mediaType: "text/plain",
        filename
      })
    default:
      return reject(`${source.at}: send the content itself or its address; ids of files mean nothing here`, source.at)
  }
}

const readResult = (block: Fields, conversation: Conversation): void => {
  const content = block.take("content")
  const parts = typeof content === "string" ? [] : block.objects("content").map(readPart)
  const media = parts.filter((part) => part.type !== "text")
  const texts = parts.filter((part) => part.type === "text").map((part) => part.text)
  conversation.result(
    present({
      id: block.needed("tool_use_id"),
      result: typeof content === "string" ? content : texts.join("\n"),
      media: media.length === 0 ? undefined : media,
      isError: block.flag("is_error") === true ? true : undefined,
      ...cacheOf(block)
    }),
    block.place("tool_use_id")
  )
}

const readAnswer = (content: ReadonlyArray<Fields>, source: Source): ReadonlyArray<Prompt.AssistantPart> => {
  const parts: Array<Prompt.AssistantPart> = []
  for (const block of content) {
    const packed = block.text("type") === "redacted_thinking" ? unpack(block.needed("data")) : undefined
    const previous = parts.at(-1)
    if (packed?.isOfPrevious !== true) parts.push(readBlock(block, source))
    else if (previous !== undefined && previous.type !== "provider") {
      parts[parts.length - 1] = { ...previous, providerMetadata: packed.metadata }
    }
  }
  return parts
}

const readBlock = (block: Fields, source: Source): Prompt.AssistantPart => {
  const type = block.needed("type")
  switch (type) {
    case "text": {
      const citations = block.list("citations").map(asJsonObject)
      return {
        type,
        text: block.text("text") ?? "",
        ...cacheOf(block),
        ...(citations.length === 0 ? {} : { providerMetadata: { [wireName]: { citations } } })
      }
    }
    case "thinking": {
      const signature = block.text("signature") ?? ""
      const metadata = unpack(signature)?.metadata ?? (signature === "" ? undefined : { [wireName]: { signature } })
      return {
        type: "reasoning",
        text: block.text("thinking") ?? "",
        ...(metadata === undefined ? {} : { providerMetadata: metadata })
      }
    }
    case "redacted_thinking": {
      const data = block.needed("data")
      return {
        type: "reasoning",
        text: "",
        providerMetadata: unpack(data)?.metadata ?? { [wireName]: { redacted: data } }
      }
    }
    case "tool_use": {
      const input = block.json("input") ?? {}
      return {
        ...toolCallOf(block.needed("id"), block.needed("name"), JSON.stringify(input), input, undefined),
        ...cacheOf(block)
      }
    }
    default:
      return { type: "provider", wire: `${wireName}:${source.provider}`, value: asJsonObject(block.value) }
  }
}
