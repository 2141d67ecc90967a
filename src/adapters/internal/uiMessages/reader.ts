/** Messages of a chat page as messages of ours. They come from a browser: nothing of them is believed unread. */
import * as Schema from "effect/Schema"
import { toJson } from "../../../internal/json/toJson.ts"
import * as Prompt from "../../../Prompt.ts"
import { carried, metadataField, providerPartKind, textFields } from "../vercelAi/metadata.ts"

const Metadata = Schema.Record({
  key: Schema.String,
  value: Prompt.JsonObject
})
const kept = { providerMetadata: Schema.optional(Metadata) }

const Text = Schema.Struct({ type: Schema.Literal("text"), text: Schema.String, ...kept })
const Reasoning = Schema.Struct({ type: Schema.Literal("reasoning"), text: Schema.String, ...kept })
const File = Schema.Struct({
  type: Schema.Literal("file"),
  mediaType: Schema.String,
  filename: Schema.optional(Schema.String),
  url: Schema.String
})
const Custom = Schema.Struct({ type: Schema.Literal("custom"), kind: Schema.String, ...kept })
const Call = Schema.Struct({
  type: Schema.TemplateLiteral("tool-", Schema.String),
  toolCallId: Schema.String,
  state: Schema.String,
  input: Schema.optional(Schema.Unknown),
  output: Schema.optional(Schema.Unknown),
  errorText: Schema.optional(Schema.String),
  callProviderMetadata: Schema.optional(Metadata)
})
const DynamicCall = Schema.Struct({
  ...Call.fields,
  type: Schema.Literal("dynamic-tool"),
  toolName: Schema.String
})
const StepStart = Schema.Struct({ type: Schema.Literal("step-start") })
/** Sources and data parts are for the page alone. */
const Shown = Schema.Struct({
  type: Schema.Union(
    Schema.Literal("source-url", "source-document", "reasoning-file"),
    Schema.TemplateLiteral("data-", Schema.String)
  )
})

/** What a page may send: what a user says, and what was answered before. Instructions are the program's own. */
export const Message = Schema.Union(
  Schema.Struct({ role: Schema.Literal("user"), parts: Schema.Array(Schema.Union(Text, File, Shown)) }),
  Schema.Struct({
    role: Schema.Literal("assistant"),
    parts: Schema.Array(Schema.Union(Text, Reasoning, Custom, File, DynamicCall, Call, StepStart, Shown))
  })
)
export type Message = typeof Message.Type
type UserPart = Extract<Message, { readonly role: "user" }>["parts"][number]
type AssistantPart = Extract<Message, { readonly role: "assistant" }>["parts"][number]

export const toPrompt = (messages: ReadonlyArray<Message>): ReadonlyArray<Prompt.Message> =>
  messages.flatMap((message): ReadonlyArray<Prompt.Message> =>
    message.role === "user" ? [Prompt.user(message.parts.flatMap(toUserPart))] : toTurns(message.parts)
  )

const isText = (part: UserPart | AssistantPart): part is typeof Text.Type => part.type === "text"
const isFile = (part: UserPart | AssistantPart): part is typeof File.Type => part.type === "file"

const toUserPart = (part: UserPart): ReadonlyArray<Prompt.TextPart | Prompt.ImagePart | Prompt.FilePart> => {
  if (isText(part)) return [Prompt.text(part.text)]
  if (!isFile(part)) return []
  const { filename, mediaType, url } = part
  return [
    mediaType.startsWith("image/")
      ? Prompt.image(url, { mediaType })
      : Prompt.file(url, { mediaType, ...(filename === undefined ? {} : { filename }) })
  ]
}

/** An answer of several steps is a message and its results for each of them. */
const toTurns = (parts: ReadonlyArray<AssistantPart>): ReadonlyArray<Prompt.Message> => {
  const turns: Array<Prompt.Message> = []
  let said: Array<Prompt.AssistantPart> = []
  let results: Array<Prompt.ToolResultPart> = []
  const endStep = () => {
    if (said.length > 0) turns.push(Prompt.assistant(said))
    if (results.length > 0) turns.push(Prompt.tool(results))
    said = []
    results = []
  }
  for (const part of parts) {
    if (part.type === "step-start") endStep()
    else if ("toolCallId" in part) {
      const call = toCall(part)
      if (call === undefined) continue
      said.push(call.call)
      results.push(call.result)
    } else said.push(...toAssistantPart(part))
  }
  endStep()
  return turns
}

const toAssistantPart = (part: AssistantPart): ReadonlyArray<Prompt.AssistantPart> => {
  if (isText(part)) return [{ ...Prompt.text(part.text), ...textFields(part.providerMetadata) }]
  if (part.type === "reasoning" && "text" in part) {
    return [{ type: "reasoning", text: part.text, ...metadataField(part.providerMetadata) }]
  }
  if ("kind" in part && part.kind === providerPartKind) {
    const { part: own } = carried(part.providerMetadata)
    return own === undefined ? [] : [own]
  }
  return []
}

/** A call whose arguments did not come to their end was never made. */
const toCall = (part: typeof Call.Type | typeof DynamicCall.Type) => {
  if (part.state === "input-streaming") return undefined
  const name = "toolName" in part ? part.toolName : part.type.slice("tool-".length)
  const { rawArguments } = carried(part.callProviderMetadata)
  const call: Prompt.ToolCallPart = {
    type: "tool-call",
    id: part.toolCallId,
    name,
    arguments: toJson(part.input ?? {}),
    ...(rawArguments === undefined ? {} : { rawArguments }),
    ...metadataField(part.callProviderMetadata)
  }
  const result = part.state === "output-available"
    ? Prompt.toolResult(call, toJson(part.output))
    : Prompt.toolResult(call, part.errorText ?? "the call was not carried out", { isError: true })
  return { call, result }
}
