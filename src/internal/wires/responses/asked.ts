/** Responses requests as clients write them, read as ours. */
import type { Request } from "../../../LLM.ts"
import * as Output from "../../../Output.ts"
import * as Prompt from "../../../Prompt.ts"
import { asArray, asJsonObject, asObject, parseArguments } from "../../json/values.ts"
import { metadataIn, unpack } from "../carried.ts"
import {
  Conversation,
  effortOf,
  type Fields,
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
  // What is shown of reasoning is what the provider shows; encrypted reasoning always comes along.
  fields.skip("model", "store", "include", "stream_options")
  for (const name of ["previous_response_id", "conversation"]) {
    fields.refuse(
      name,
      `${name}: no conversation is kept here; send it whole as input, the output of earlier answers included`
    )
  }
  fields.refuse("prompt", "prompt: templates are kept at OpenAI only; send instructions and input")
  fields.refuse("background", "background: answers are given at once or streamed; leave it out", (on) => on === false)
  fields.refuse("top_logprobs", "probabilities of tokens are not given here; leave top_logprobs out", (n) => n === 0)
  const { text, verbosity } = readText(fields)
  const shared = fields.pass("service_tier", "prompt_cache_key", "prompt_cache_retention", "safety_identifier")
  const own = {
    ...fields.pass("max_tool_calls"),
    ...(fields.value["truncation"] === "auto" ? fields.pass("truncation") : {})
  }
  fields.skip("truncation")
  const reasoning = fields.object("reasoning")
  reasoning?.skip("summary", "generate_summary")
  const effort = effortOf(reasoning?.text("effort"), "reasoning.effort")
  return {
    model,
    stream: fields.flag("stream") ?? false,
    includeUsage: true,
    request: present({
      prompt: readInput(fields, source),
      output: text,
      temperature: fields.number("temperature"),
      topP: fields.number("top_p"),
      maxTokens: fields.number("max_output_tokens"),
      reasoning: effort === undefined ? undefined : { effort },
      ...readTools(fields),
      parallelToolCalls: fields.flag("parallel_tool_calls"),
      ...labelsOf(fields.object("metadata"), fields.text("user")),
      ...providerOptionsOf({
        [native]: shared,
        "openai-chat": verbosity === undefined ? {} : { verbosity },
        "openai-responses": { ...own, ...(verbosity === undefined ? {} : { text: { verbosity } }) }
      })
    }),
    warnings: warningsOf(
      [fields, reasoning, ...fields.read("tools", "text")],
      {
        [native]: { ...shared, ...(verbosity === undefined ? {} : { "text.verbosity": verbosity }) },
        "openai-responses": own
      },
      source.provider
    )
  }
}

const readText = (fields: Fields) => {
  const given = fields.object("text")
  const verbosity = given?.text("verbosity")
  const format = given?.object("format")
  const type = format?.text("type") ?? "text"
  if (format === undefined || type === "text") return { text: Output.text, verbosity }
  if (type === "json_object") return { text: jsonOutput, verbosity }
  const schema = format.json("schema")
  format.skip("strict")
  if (type !== "json_schema" || schema === undefined) {
    return reject("text.format must be text, json_object, or json_schema with a schema", "text.format")
  }
  return { text: schemaOutput(schema, format.text("name"), format.text("description")), verbosity }
}

const readTools = (fields: Fields): Pick<Request<string>, "tools" | "toolChoice" | "webSearch"> => {
  let webSearch: true | undefined
  const tools = fields.objects("tools").flatMap((tool) => {
    const type = tool.needed("type")
    if (type.startsWith("web_search")) {
      webSearch = true
      return []
    }
    if (type !== "function") {
      return reject(`${tool.at}: ${type} runs at OpenAI only; here are functions that the client runs`, tool.at)
    }
    return [present({
      name: tool.needed("name"),
      description: tool.text("description"),
      parameters: tool.json("parameters") ?? { type: "object", properties: {} },
      strict: tool.flag("strict")
    })]
  })
  const choice = fields.take("tool_choice")
  const { name, type } = asObject(choice)
  const toolChoice: Request<string>["toolChoice"] = choice === "auto" || choice === "none" || choice === "required"
    ? choice
    : type === "function" && typeof name === "string"
    ? { tool: name }
    : choice === undefined
    ? undefined
    : reject("tool_choice must be auto, none, required or a function's name", "tool_choice")
  return present({
    tools: tools.length === 0 ? undefined : tools,
    toolChoice: tools.length === 0 ? undefined : toolChoice,
    webSearch
  })
}

const readInput = (fields: Fields, source: Source): ReadonlyArray<Prompt.Message> => {
  const conversation = new Conversation()
  conversation.system(fields.text("instructions") ?? "")
  const input = fields.take("input")
  if (typeof input === "string") conversation.user(input)
  else for (const item of fields.objects("input")) readItem(item, conversation, source)
  return conversation.messages
}

const readItem = (item: Fields, conversation: Conversation, source: Source): void => {
  const type = item.text("type") ?? "message"
  switch (type) {
    case "message":
      return readMessage(item, conversation)
    case "reasoning":
      return conversation.assistant([readReasoning(item, source)])
    case "function_call": {
      const raw = item.text("arguments") ?? ""
      const metadata = metadataIn(item.value)
      return conversation.assistant([
        toolCallOf(item.needed("call_id"), item.needed("name"), raw, parseArguments(raw), metadata)
      ])
    }
    case "custom_tool_call": {
      const input = item.text("input") ?? ""
      return conversation.assistant([
        toolCallOf(item.needed("call_id"), item.needed("name"), input, input, { [wireName]: { custom: true } })
      ])
    }
    case "function_call_output":
    case "custom_tool_call_output": {
      const output = item.take("output")
      const parts = typeof output === "string" ? [] : item.objects("output").map(readPart)
      const media = parts.filter((part) => part.type !== "text")
      const texts = parts.filter((part) => part.type === "text").map((part) => part.text)
      return conversation.result(
        present({
          id: item.needed("call_id"),
          result: typeof output === "string" ? output : texts.join("\n"),
          media: media.length === 0 ? undefined : media
        }),
        item.place("call_id")
      )
    }
    case "item_reference":
      return reject(`${item.at}: no item is kept here; send the item itself`, item.at)
    default:
      return conversation.assistant([
        { type: "provider", wire: `${wireName}:${source.provider}`, value: asJsonObject(item.value) }
      ])
  }
}

const readReasoning = (item: Fields, source: Source): Prompt.ReasoningPart => {
  const shown = asArray(item.take("summary")).length > 0 ? item.objects("summary") : item.objects("content")
  const text = shown.map((part) => part.text("text") ?? "").join("")
  const encrypted = item.text("encrypted_content")
  const packed = encrypted === undefined ? undefined : unpack(encrypted)?.metadata
  return {
    type: "reasoning",
    text,
    providerMetadata: packed ?? { [wireName]: { provider: source.provider, item: asJsonObject(item.value) } }
  }
}

const readMessage = (item: Fields, conversation: Conversation): void => {
  const role = item.needed("role")
  const content = item.take("content")
  switch (role) {
    case "system":
    case "developer":
      return conversation.system(textIn(item, "content", ["text", "input_text"]))
    case "user":
      return conversation.user(typeof content === "string" ? content : item.objects("content").map(readPart))
    case "assistant": {
      const phase = item.text("phase")
      const metadata = metadataIn(item.value) ?? (phase === undefined ? undefined : { [wireName]: { phase } })
      const text = textIn(item, "content", ["output_text", "text", "input_text", "refusal"])
      return conversation.assistant([
        { type: "text", text, ...(metadata === undefined ? {} : { providerMetadata: metadata }) }
      ])
    }
    default:
      return reject(`${item.place("role")}: there is no role ${JSON.stringify(role)} here`, item.place("role"))
  }
}

const readPart = (part: Fields): Prompt.TextPart | Prompt.ImagePart | Prompt.FilePart => {
  const type = part.text("type")
  switch (type) {
    case "input_text":
    case "output_text":
    case "text":
      return Prompt.text(part.needed("text"))
    case "input_image": {
      const url = part.text("image_url") ??
        reject(`${part.at}: send the picture itself or its address; ids of files mean nothing here`, part.at)
      return imageOf(url, part.place("image_url"), part.text("detail"))
    }
    case "input_file": {
      const source = part.text("file_data") ?? part.text("file_url") ??
        reject(`${part.at}: send the file itself or its address; ids of files mean nothing here`, part.at)
      return Prompt.file(source, { filename: part.text("filename") })
    }
    case "input_audio": {
      const audio = part.object("input_audio")
      const format = audio?.text("format") ?? "wav"
      return Prompt.file(audio?.needed("data") ?? "", {
        mediaType: format === "mp3" ? "audio/mpeg" : `audio/${format}`
      })
    }
    default:
      return reject(`${part.at}: a part of the type ${JSON.stringify(type)} cannot be sent`, part.at)
  }
}
