/** generateContent requests as clients write them, read as ours. */
import type { Request } from "../../../LLM.ts"
import * as Output from "../../../Output.ts"
import * as Prompt from "../../../Prompt.ts"
import { asArray, asJsonObject } from "../../json/values.ts"
import { unpack } from "../carried.ts"
import {
  Conversation,
  effortOf,
  Fields,
  jsonOutput,
  labelsOf,
  present,
  providerOptionsOf,
  reading,
  reject,
  schemaOutput,
  toolCallOf,
  warningsOf
} from "../reading.ts"
import type { Asked, Serve, Source } from "../serving.ts"
import { jsonSchemaOf } from "./openApiSchema.ts"
import { name as wireName } from "./request.ts"

/** The provider of ours that speaks this wire. */
const native = "gemini"

export const read: Serve["read"] = (body, source) => reading(body, source, asked)

const asked = (fields: Fields, source: Source): Asked => {
  const model = source.model ?? fields.needed("model")
  fields.skip("model")
  fields.refuse("cachedContent", "cachedContent is state that Google keeps; send the conversation whole")
  const passed = { [native]: fields.pass("safetySettings") }
  const config = fields.object("generationConfig") ?? new Fields({}, "generationConfig")
  config.refuse(
    "candidateCount",
    "one answer is given to a request; send it several times for more",
    (count) => count === 1
  )
  config.refuse("responseLogprobs", "probabilities of tokens are not given here", (on) => on === false)
  config.refuse("logprobs", "probabilities of tokens are not given here", (count) => count === 0)
  config.refuse("speechConfig", "answers are text; leave speechConfig out")
  config.refuse("imageConfig", "answers are text; leave imageConfig out")
  config.refuse(
    "responseModalities",
    "answers are text; leave responseModalities out",
    (list) => asArray(list).every((one) => one === "TEXT")
  )
  const { reasoning, thinking } = readThinking(config)
  return {
    model,
    stream: source.stream ?? false,
    includeUsage: true,
    request: present({
      prompt: readContents(fields, source),
      output: readFormat(config),
      temperature: config.number("temperature"),
      topP: config.number("topP"),
      topK: config.number("topK"),
      maxTokens: config.number("maxOutputTokens"),
      stop: config.value["stopSequences"] === undefined ? undefined : config.texts("stopSequences"),
      seed: config.number("seed"),
      presencePenalty: config.number("presencePenalty"),
      frequencyPenalty: config.number("frequencyPenalty"),
      reasoning,
      ...readTools(fields),
      ...labelsOf(fields.object("labels"), undefined),
      ...providerOptionsOf(passed)
    }),
    warnings: warningsOf([fields, config, thinking, ...fields.read("tools", "toolConfig")], passed, source.provider)
  }
}

const readThinking = (config: Fields) => {
  const thinking = config.object("thinkingConfig")
  thinking?.skip("includeThoughts")
  const budgetTokens = thinking?.number("thinkingBudget")
  const effort = effortOf(thinking?.text("thinkingLevel"), "generationConfig.thinkingConfig.thinkingLevel")
  const reasoning: Request<string>["reasoning"] = budgetTokens === 0
    ? { effort: "none" }
    // -1: as much as the model likes.
    : budgetTokens !== undefined && budgetTokens > 0
    ? { budgetTokens }
    : effort === undefined
    ? undefined
    : { effort }
  return { thinking, reasoning }
}

const readFormat = (config: Fields) => {
  const mediaType = config.text("responseMimeType") ?? "text/plain"
  const schema = config.json("responseJsonSchema") ?? config.json("responseSchema")
  if (mediaType === "text/plain") return Output.text
  if (mediaType !== "application/json") {
    return reject(`${config.place("responseMimeType")} must be text/plain or application/json`, "responseMimeType")
  }
  return schema === undefined ? jsonOutput : schemaOutput(jsonSchemaOf(schema), undefined, undefined)
}

const readTools = (fields: Fields): Pick<Request<string>, "tools" | "toolChoice" | "webSearch"> => {
  let webSearch: true | undefined
  const tools = fields.objects("tools").flatMap((tool) => {
    if (tool.object("googleSearch") !== undefined) webSearch = true
    const [hosted] = tool.value["functionDeclarations"] === undefined ? tool.left : []
    if (hosted !== undefined) reject(`${hosted} runs at Google only; here are functions that the client runs`, hosted)
    return tool.objects("functionDeclarations").map((fn) => {
      fn.skip("behavior", "response", "responseJsonSchema")
      const parameters = fn.json("parametersJsonSchema") ?? fn.json("parameters")
      return present({
        name: fn.needed("name"),
        description: fn.text("description"),
        parameters: parameters === undefined ? { type: "object", properties: {} } : jsonSchemaOf(parameters)
      })
    })
  })
  const calling = fields.object("toolConfig")?.object("functionCallingConfig")
  const mode = calling?.text("mode")?.toUpperCase() ?? "AUTO"
  const allowed = calling?.texts("allowedFunctionNames") ?? []
  const [only, ...others] = allowed
  // One that must be called leaves the others known.
  const kept = only === undefined || others.length === 0 ? tools : tools.filter(({ name }) => allowed.includes(name))
  return present({
    tools: kept.length === 0 ? undefined : kept,
    toolChoice: kept.length === 0 || calling === undefined
      ? undefined
      : mode === "NONE"
      ? "none" as const
      : mode !== "ANY"
      ? "auto" as const
      : others.length === 0 && only !== undefined
      ? { tool: only }
      : "required" as const,
    webSearch
  })
}

const readContents = (fields: Fields, source: Source): ReadonlyArray<Prompt.Message> => {
  const conversation = new Conversation()
  const system = fields.object("systemInstruction")
  const instructions = system?.objects("parts").map((part) => part.text("text") ?? "").filter((text) => text !== "")
  if (instructions !== undefined) conversation.system(instructions.map((text) => Prompt.text(text)))
  const calls = new Calls()
  for (const content of fields.objects("contents")) {
    const parts = content.objects("parts")
    if (content.text("role") === "model") {
      conversation.assistant(joined(parts.map((part) => readAnswered(part, calls, source))))
      continue
    }
    const said: Array<Prompt.TextPart | Prompt.ImagePart | Prompt.FilePart> = []
    for (const part of parts) {
      const result = part.object("functionResponse")
      if (result === undefined) said.push(readPart(part))
      else conversation.named(readResult(result, calls))
    }
    conversation.user(said)
  }
  return conversation.messages
}

/** Clients keep an answer as the pieces it was streamed in; a signature stands behind what it signs. */
const joined = (parts: ReadonlyArray<Prompt.AssistantPart>): ReadonlyArray<Prompt.AssistantPart> => {
  const kept: Array<Prompt.AssistantPart> = []
  for (const part of parts) {
    const last = kept.at(-1)
    const isNext = (part.type === "text" || part.type === "reasoning") && last?.type === part.type && !isSigned(last)
    if (isNext) kept[kept.length - 1] = { ...last, ...part, text: last.text + part.text }
    else kept.push(part)
  }
  return kept
}

const isSigned = ({ providerMetadata }: Prompt.TextPart | Prompt.ReasoningPart): boolean =>
  Object.entries(providerMetadata ?? {}).some(([wire, own]) => wire !== wireName || Object.keys(own).length > 0)

/** Calls may come without ids: then a result is for the first call of its name that has none. */
class Calls {
  private count = 0
  private readonly waiting = new Map<string, Set<string>>()

  called(name: string, given: string | undefined): string {
    const id = given ?? `call_${++this.count}`
    const waiting = this.waiting.get(name) ?? new Set()
    waiting.add(id)
    this.waiting.set(name, waiting)
    return id
  }

  answered(name: string, given: string | undefined, at: string): string {
    const waiting = this.waiting.get(name) ?? new Set()
    const [first] = waiting
    const id = given ?? first
    return id !== undefined && waiting.delete(id)
      ? id
      : reject(`${at}: there is no call of ${JSON.stringify(name)} before it that waits for an answer`, at)
  }
}

const readResult = (result: Fields, calls: Calls): Prompt.ToolResultPart => {
  const name = result.needed("name")
  const response = result.json("response") ?? {}
  const [only, ...more] = Object.entries(response)
  // Google's own names of what came of a call, and ours.
  const [kind, value] = only !== undefined && more.length === 0 ? only : []
  return {
    type: "tool-result",
    id: calls.answered(name, result.text("id"), result.at),
    name,
    result: value !== undefined && (kind === "result" || kind === "output" || kind === "error") ? value : response,
    ...(kind === "error" ? { isError: true } : {})
  }
}

const readPart = (part: Fields): Prompt.TextPart | Prompt.ImagePart | Prompt.FilePart => {
  const text = part.text("text")
  if (text !== undefined) return Prompt.text(text)
  const inline = part.object("inlineData")
  if (inline !== undefined) return mediaOf(inline.needed("data"), inline.needed("mimeType"), inline.text("displayName"))
  const file = part.object("fileData")
  if (file !== undefined) return mediaOf(file.needed("fileUri"), file.text("mimeType"), file.text("displayName"))
  return reject(`${part.at} is neither text nor media`, part.at)
}

const mediaOf = (source: string, mediaType: string | undefined, filename: string | undefined) => {
  const file = Prompt.file(source, { mediaType, filename })
  return file.mediaType.startsWith("image/") ? Prompt.image(source, { mediaType: file.mediaType }) : file
}

const readAnswered = (part: Fields, calls: Calls, source: Source): Prompt.AssistantPart => {
  const signature = part.text("thoughtSignature")
  const packed = signature === undefined ? undefined : unpack(signature)?.metadata
  const own = signature === undefined || packed !== undefined ? {} : { thoughtSignature: signature }
  const call = part.object("functionCall")
  if (call !== undefined) {
    const name = call.needed("name")
    const args = call.json("args") ?? {}
    const given = call.text("id")
    const metadata = packed ??
      (signature === undefined && given === undefined
        ? undefined
        : { [wireName]: { ...own, ...(given === undefined ? {} : { id: given }) } })
    return toolCallOf(calls.called(name, given), name, JSON.stringify(args), args, metadata)
  }
  const text = part.text("text")
  if (text === undefined) {
    return { type: "provider", wire: `${wireName}:${source.provider}`, value: asJsonObject(part.value) }
  }
  const thought = part.flag("thought") === true
  const metadata = packed ?? (thought || signature !== undefined ? { [wireName]: own } : undefined)
  return {
    type: thought ? "reasoning" : "text",
    text,
    ...(metadata === undefined ? {} : { providerMetadata: metadata })
  }
}
