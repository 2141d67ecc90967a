/**
 * Conversations: messages and their parts. Everything here is a `Schema`, so that a conversation can be stored and
 * resumed, also with another provider.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as mediaTypes from "./internal/bytes/mediaTypes.ts"
import { isJson, isObject } from "./internal/json/values.ts"

/**
 * Any JSON value.
 *
 * @since 0.1.0
 * @category models
 */
export type JsonValue = string | number | boolean | null | ReadonlyArray<JsonValue> | JsonObject

/**
 * A JSON object.
 *
 * @since 0.1.0
 * @category models
 */
export interface JsonObject {
  readonly [key: string]: JsonValue
}

/**
 * Taken as it is: a field named `__proto__` stays a field. What is nested deeper than 500 levels is refused.
 *
 * @since 0.1.0
 * @category schemas
 */
export const JsonValue: Schema.Schema<JsonValue> = Schema.declare((value): value is JsonValue => isJson(value))
  .annotations({
    identifier: "JsonValue",
    description: "a JSON value",
    jsonSchema: {
      anyOf: [...["string", "number", "boolean", "null", "object"].map((type) => ({ type })), {
        type: "array",
        items: {}
      }]
    },
    arbitrary: () => (fc) => fc.jsonValue().map((value): JsonValue => JSON.parse(JSON.stringify(value)))
  })

/**
 * @since 0.1.0
 * @category schemas
 */
export const JsonObject: Schema.Schema<JsonObject> = Schema.declare((value): value is JsonObject =>
  isObject(value) && isJson(value)
).annotations({
  identifier: "JsonObject",
  description: "a JSON object",
  jsonSchema: { type: "object" },
  arbitrary: () => (fc) =>
    fc.dictionary(fc.string(), fc.jsonValue()).map((value): JsonObject => JSON.parse(JSON.stringify(value)))
})

/**
 * What a provider needs to see again on the next turn, kept under the name of its wire: a signature, an item id,
 * encrypted reasoning. Another provider never sees it.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ProviderMetadata: Schema.Schema<{ readonly [wire: string]: JsonObject }> = Schema.declare(
  (value): value is { readonly [wire: string]: JsonObject } =>
    isObject(value) && Object.values(value).every(isObject) && isJson(value)
).annotations({
  identifier: "ProviderMetadata",
  description: "JSON objects by wire",
  jsonSchema: { type: "object", additionalProperties: { type: "object" } },
  arbitrary: () => (fc) =>
    fc.dictionary(fc.string(), fc.dictionary(fc.string(), fc.jsonValue())).map((
      value
    ): { readonly [wire: string]: JsonObject } => JSON.parse(JSON.stringify(value)))
})

/**
 * @since 0.1.0
 * @category models
 */
export type ProviderMetadata = typeof ProviderMetadata.Type

const common = {
  providerMetadata: Schema.optional(ProviderMetadata)
}

/**
 * How long a provider that caches by breakpoints (Anthropic) keeps the prompt up to and including this part.
 *
 * @since 0.1.0
 * @category schemas
 */
export const CacheControl = Schema.Literal("5m", "1h")

/**
 * What a passage of an answer rests on, as far as the provider says it: a page (`url`), a document or file (`source`, its
 * id), its `title`, and the words that are cited (`text`). `start` and `end` are where the passage stands in the text of
 * its part, as the provider counts characters; without them the whole part is meant.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Citation = Schema.Struct({
  url: Schema.optional(Schema.String),
  title: Schema.optional(Schema.String),
  text: Schema.optional(Schema.String),
  source: Schema.optional(Schema.String),
  start: Schema.optional(Schema.Number),
  end: Schema.optional(Schema.Number)
}).annotations({ identifier: "Citation" })

/**
 * @since 0.1.0
 * @category models
 */
export type Citation = typeof Citation.Type

/**
 * Text. What a provider cites is in `citations`, the same on every provider.
 *
 * @since 0.1.0
 * @category schemas
 */
export const TextPart = Schema.Struct({
  type: Schema.Literal("text"),
  text: Schema.String,
  citations: Schema.optional(Schema.Array(Citation)),
  cache: Schema.optional(CacheControl),
  ...common
}).annotations({ identifier: "TextPart" })

/**
 * @since 0.1.0
 * @category models
 */
export type TextPart = typeof TextPart.Type

const Bytes = Schema.Uint8ArrayFromBase64

/**
 * Where media is: bytes, base64 text, or an address the provider fetches. Stored as tagged JSON.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Media = Schema.Union(
  Schema.Struct({ type: Schema.Literal("bytes"), bytes: Bytes }),
  Schema.Struct({ type: Schema.Literal("base64"), base64: Schema.String }),
  Schema.Struct({ type: Schema.Literal("url"), url: Schema.String })
)

/**
 * @since 0.1.0
 * @category models
 */
export type Media = typeof Media.Type

/**
 * A picture.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ImagePart = Schema.Struct({
  type: Schema.Literal("image"),
  media: Media,
  mediaType: Schema.optional(Schema.String),
  detail: Schema.optional(Schema.Literal("low", "high", "auto")),
  cache: Schema.optional(CacheControl),
  ...common
}).annotations({ identifier: "ImagePart" })

/**
 * @since 0.1.0
 * @category models
 */
export type ImagePart = typeof ImagePart.Type

/**
 * A document, sound or video.
 *
 * @since 0.1.0
 * @category schemas
 */
export const FilePart = Schema.Struct({
  type: Schema.Literal("file"),
  media: Media,
  mediaType: Schema.String,
  filename: Schema.optional(Schema.String),
  cache: Schema.optional(CacheControl),
  ...common
}).annotations({ identifier: "FilePart" })

/**
 * @since 0.1.0
 * @category models
 */
export type FilePart = typeof FilePart.Type

/**
 * What the model thought, as far as the provider shows it. Its `providerMetadata` carries what lets the same
 * provider go on from there.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ReasoningPart = Schema.Struct({
  type: Schema.Literal("reasoning"),
  text: Schema.String,
  ...common
}).annotations({ identifier: "ReasoningPart" })

/**
 * @since 0.1.0
 * @category models
 */
export type ReasoningPart = typeof ReasoningPart.Type

/**
 * A call the model made of one of the caller's tools. `arguments` is the parsed text: `{}` for none, `null` when the
 * text is no JSON (cut off by the length limit); `rawArguments` is the text as the model wrote it.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ToolCallPart = Schema.Struct({
  type: Schema.Literal("tool-call"),
  id: Schema.String,
  name: Schema.String,
  arguments: JsonValue,
  rawArguments: Schema.optional(Schema.String),
  cache: Schema.optional(CacheControl),
  ...common
}).annotations({ identifier: "ToolCallPart" })

/**
 * @since 0.1.0
 * @category models
 */
export type ToolCallPart = typeof ToolCallPart.Type

/**
 * What a tool answered: a JSON value, text, or text and pictures.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ToolResultPart = Schema.Struct({
  type: Schema.Literal("tool-result"),
  id: Schema.String,
  name: Schema.String,
  result: JsonValue,
  media: Schema.optional(Schema.Array(Schema.Union(ImagePart, FilePart))),
  isError: Schema.optional(Schema.Boolean),
  cache: Schema.optional(CacheControl),
  ...common
}).annotations({ identifier: "ToolResultPart" })

/**
 * @since 0.1.0
 * @category models
 */
export type ToolResultPart = typeof ToolResultPart.Type

/**
 * Something only one provider knows (a hosted tool's call or result). It goes back to the provider and wire it came
 * from (`wire` names both) as it came, and is left out towards any other.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ProviderPart = Schema.Struct({
  type: Schema.Literal("provider"),
  wire: Schema.String,
  value: JsonObject
}).annotations({ identifier: "ProviderPart" })

/**
 * @since 0.1.0
 * @category models
 */
export type ProviderPart = typeof ProviderPart.Type

/**
 * Instructions from the program. May stand anywhere; wires that know only one system prompt get them joined.
 *
 * @since 0.1.0
 * @category schemas
 */
export const SystemMessage = Schema.Struct({
  role: Schema.Literal("system"),
  content: Schema.Union(Schema.String, Schema.Array(TextPart))
}).annotations({ identifier: "SystemMessage" })

/**
 * @since 0.1.0
 * @category models
 */
export type SystemMessage = typeof SystemMessage.Type

/**
 * @since 0.1.0
 * @category schemas
 */
export const UserMessage = Schema.Struct({
  role: Schema.Literal("user"),
  content: Schema.Union(Schema.String, Schema.Array(Schema.Union(TextPart, ImagePart, FilePart)))
}).annotations({ identifier: "UserMessage" })

/**
 * @since 0.1.0
 * @category models
 */
export type UserMessage = typeof UserMessage.Type

/**
 * Any part of an assistant's message.
 *
 * @since 0.1.0
 * @category schemas
 */
export const AssistantPart = Schema.Union(TextPart, ReasoningPart, ToolCallPart, ProviderPart)

/**
 * @since 0.1.0
 * @category models
 */
export type AssistantPart = TextPart | ReasoningPart | ToolCallPart | ProviderPart

/**
 * An earlier answer. Every `Response` has its own as `message`: append it to the prompt to go on.
 *
 * @since 0.1.0
 * @category schemas
 */
export const AssistantMessage = Schema.Struct({
  role: Schema.Literal("assistant"),
  content: Schema.Union(Schema.String, Schema.Array(AssistantPart))
}).annotations({ identifier: "AssistantMessage" })

/**
 * @since 0.1.0
 * @category models
 */
export type AssistantMessage = typeof AssistantMessage.Type

/**
 * @since 0.1.0
 * @category schemas
 */
export const ToolMessage = Schema.Struct({
  role: Schema.Literal("tool"),
  content: Schema.Array(ToolResultPart)
}).annotations({ identifier: "ToolMessage" })

/**
 * @since 0.1.0
 * @category models
 */
export type ToolMessage = typeof ToolMessage.Type

/**
 * One message of a conversation.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Message = Schema.Union(SystemMessage, UserMessage, AssistantMessage, ToolMessage)

/**
 * @since 0.1.0
 * @category models
 */
export type Message = SystemMessage | UserMessage | AssistantMessage | ToolMessage

/**
 * What callers pass as `prompt`: a string is one user message.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Input = Schema.Union(Schema.String, Schema.Array(Message))

/**
 * @since 0.1.0
 * @category models
 */
export type Input = string | ReadonlyArray<Message>

/**
 * A whole conversation, to store it: `Schema.encode(Prompt.Conversation)`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Conversation = Schema.Array(Message)

/**
 * The input as messages.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toMessages = (input: Input): ReadonlyArray<Message> =>
  typeof input === "string" ? [{ role: "user", content: input }] : input

/**
 * The text parts of a system message.
 *
 * @since 0.1.0
 * @category conversions
 */
export const textsOf = (message: SystemMessage): ReadonlyArray<TextPart> =>
  typeof message.content === "string" ? [text(message.content)] : message.content

/**
 * @since 0.1.0
 * @category constructors
 */
export const system = (content: string): SystemMessage => ({ role: "system", content })

/**
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Prompt } from "effect-majordomo"
 *
 * const message = Prompt.user([Prompt.text("What is this?"), Prompt.image("https://example.com/cat.png")])
 * ```
 */
export const user = (content: UserMessage["content"]): UserMessage => ({ role: "user", content })

/**
 * @since 0.1.0
 * @category constructors
 */
export const assistant = (content: AssistantMessage["content"]): AssistantMessage => ({ role: "assistant", content })

/**
 * @since 0.1.0
 * @category constructors
 */
export const tool = (content: ReadonlyArray<ToolResultPart>): ToolMessage => ({ role: "tool", content })

/**
 * @since 0.1.0
 * @category constructors
 */
export const text = (text: string, options?: { readonly cache?: "5m" | "1h" | undefined }): TextPart => ({
  type: "text",
  text,
  ...(options?.cache === undefined ? {} : { cache: options.cache })
})

/**
 * A picture from bytes, base64 or an address (`http:`, `https:`, `gs:`, `data:`). A media type that is not given is told
 * by the first bytes, then by the label of a `data:` address or the ending of another.
 *
 * @since 0.1.0
 * @category constructors
 */
export const image = (
  source: Uint8Array | string | URL,
  options?: {
    readonly mediaType?: string | undefined
    readonly detail?: "low" | "high" | "auto" | undefined
    readonly cache?: "5m" | "1h" | undefined
  }
): ImagePart => {
  const { label, media } = toMedia(source)
  const type = options?.mediaType ?? mediaTypes.ofMedia(media) ?? label
  return {
    type: "image",
    media,
    ...(type === undefined ? {} : { mediaType: type }),
    ...(options?.detail === undefined ? {} : { detail: options.detail }),
    ...(options?.cache === undefined ? {} : { cache: options.cache })
  }
}

/**
 * A document, sound or video from bytes, base64 or an address. A media type that is not given is told by the first bytes,
 * then by the label of a `data:` address or the ending of another, then by the name; default `application/octet-stream`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const file = (
  source: Uint8Array | string | URL,
  options?: {
    readonly mediaType?: string | undefined
    readonly filename?: string | undefined
    readonly cache?: "5m" | "1h" | undefined
  }
): FilePart => {
  const { label, media } = toMedia(source)
  return {
    type: "file",
    media,
    mediaType: options?.mediaType ?? mediaTypes.ofMedia(media) ?? label ?? mediaTypes.ofName(options?.filename) ??
      "application/octet-stream",
    ...(options?.filename === undefined ? {} : { filename: options.filename }),
    ...(options?.cache === undefined ? {} : { cache: options.cache })
  }
}

/**
 * A tool's answer to the call with the same id.
 *
 * @since 0.1.0
 * @category constructors
 */
export const toolResult = (
  call: { readonly id: string; readonly name: string },
  result: JsonValue,
  options?: {
    readonly isError?: boolean | undefined
    readonly media?: ReadonlyArray<ImagePart | FilePart> | undefined
    readonly cache?: "5m" | "1h" | undefined
  }
): ToolResultPart => ({
  type: "tool-result",
  id: call.id,
  name: call.name,
  result,
  ...(options?.isError === undefined ? {} : { isError: options.isError }),
  ...(options?.media === undefined ? {} : { media: options.media }),
  ...(options?.cache === undefined ? {} : { cache: options.cache })
})

const toMedia = (source: Uint8Array | string | URL): { readonly media: Media; readonly label?: string | undefined } => {
  if (source instanceof Uint8Array) return { media: { type: "bytes", bytes: source } }
  const address = String(source)
  const inline = /^data:([^;,]+)?(?:;[^,]*)?;base64,/.exec(address.slice(0, 1024))
  if (inline !== null) return { media: { type: "base64", base64: address.slice(inline[0].length) }, label: inline[1] }
  return /^[a-z][a-z0-9+.-]*:/i.test(address.slice(0, 64))
    ? { media: { type: "url", url: address } }
    : { media: { type: "base64", base64: address } }
}
