/**
 * Writing a provider outside this package: the types of a wire, and what every wire here is made of. A wire is pure: one
 * function from a request to a body, one that reads an answer, one that reads an event of a stream. `make` does the rest:
 * headers, retries, time limits, prices, spans, decoding.
 *
 * @since 0.1.0
 */
import type { Framing } from "./internal/http/framing.ts"
import * as sse from "./internal/http/sse.ts"
import * as codecs from "./internal/schema/codec.ts"
import * as dialects from "./internal/schema/dialect.ts"
import type { JsonObject } from "./Prompt.ts"

export type {
  /**
   * One request, checked and with its prompt as messages, as a wire lowers it.
   *
   * @since 0.1.0
   * @category models
   */
  Call,
  /**
   * A wire, a model, and where to send.
   *
   * @since 0.1.0
   * @category models
   */
  Driver,
  /**
   * A lowered request: the body, and the way back for structured answers.
   *
   * @since 0.1.0
   * @category models
   */
  Lowered,
  /**
   * A tool as it is asked for.
   *
   * @since 0.1.0
   * @category models
   */
  LoweredTool,
  /**
   * The pure functions of a wire protocol.
   *
   * @since 0.1.0
   * @category models
   */
  Wire
} from "./internal/call/driver.ts"

export {
  /**
   * What a wire understood of an answer: single answers and streams are read into the same object.
   *
   * @since 0.1.0
   * @category models
   */
  Completion
} from "./internal/call/completion.ts"

export type {
  /**
   * What an error body says.
   *
   * @since 0.1.0
   * @category models
   */
  ErrorFacts,
  /**
   * Token counts of which some may be missing.
   *
   * @since 0.1.0
   * @category models
   */
  RawUsage
} from "./internal/call/completion.ts"

export type {
  /**
   * Turns the bytes of a streamed body into events.
   *
   * @since 0.1.0
   * @category models
   */
  Framing,
  /**
   * One event of a stream.
   *
   * @since 0.1.0
   * @category models
   */
  WireEvent
} from "./internal/http/framing.ts"

export {
  /**
   * The error of a body `{ error: { type, code, message } }` and its relatives; undefined when it is none.
   *
   * @since 0.1.0
   * @category readers
   */
  readErrorBody
} from "./internal/http/errors.ts"

export type {
  /**
   * What a vendor's JSON Schema can say.
   *
   * @since 0.1.0
   * @category schemas
   */
  Dialect
} from "./internal/schema/dialect.ts"

export type {
  /**
   * A schema in a dialect, and the way back for the values that were written by it.
   *
   * @since 0.1.0
   * @category schemas
   */
  Codec
} from "./internal/schema/codec.ts"

export {
  /**
   * The list, or an empty one.
   *
   * @since 0.1.0
   * @category readers
   */
  asArray,
  /**
   * A count that somebody reports: undefined when there is none, NaN when it is no number.
   *
   * @since 0.1.0
   * @category readers
   */
  asCount,
  /**
   * A finite number, or the number that a text is; else undefined.
   *
   * @since 0.1.0
   * @category readers
   */
  asNumber,
  /**
   * The object, or an empty one.
   *
   * @since 0.1.0
   * @category readers
   */
  asObject,
  /**
   * The text, or undefined.
   *
   * @since 0.1.0
   * @category readers
   */
  asString,
  /**
   * Whether it is an object and no list.
   *
   * @since 0.1.0
   * @category readers
   */
  isObject,
  /**
   * JSON that is not deeper than a reader can follow; undefined when it is none.
   *
   * @since 0.1.0
   * @category readers
   */
  parse
} from "./internal/json/values.ts"

export {
  /**
   * The service of a driver: what provider layers are made of.
   *
   * @since 0.1.0
   * @category constructors
   */
  make
} from "./LLM.ts"

/**
 * The dialects of the vendors' structured outputs; `plain` is JSON Schema as it is.
 *
 * @since 0.1.0
 * @category schemas
 */
export const dialect: {
  readonly plain: dialects.Dialect
  readonly openAIStrict: dialects.Dialect
  readonly anthropicConstrained: dialects.Dialect
  readonly gemini: dialects.Dialect
  readonly cohere: dialects.Dialect
} = dialects

/**
 * A JSON Schema in a dialect; undefined when the dialect cannot say it.
 *
 * @since 0.1.0
 * @category schemas
 */
export const codec: (schema: JsonObject, dialect: dialects.Dialect) => codecs.Codec | undefined = codecs.codec

/**
 * Server-sent events, read in time linear in the bytes, however they are cut. What a wire without `framing` gets.
 *
 * @since 0.1.0
 * @category readers
 */
export const serverSentEvents: (options: { readonly maxEventBytes: number }) => Framing = sse.make
