/**
 * A provider for tests: a real HTTP server on 127.0.0.1 that speaks the wires of OpenAI (Responses and Chat Completions),
 * Anthropic, Gemini, Cohere and Bedrock, streamed and not, and fails in every way providers do. Without a script it
 * answers by itself, the same to the same request.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { JsonValue } from "../Prompt.ts"
import { answer } from "./internal/automatic.ts"
import {
  type AnswerOptions,
  type AnswerReply,
  type BrokenOptions,
  type ErrorKind,
  type FaultOptions,
  type FaultReply,
  kindOf,
  type RecordedRequest,
  type Reply,
  type ScriptedToolCall,
  type StatusReply
} from "./internal/reply.ts"
import { Server } from "./internal/server.ts"

export type {
  /**
   * Token counts, reasoning and the cutting of an answer.
   *
   * @since 0.1.0
   * @category models
   */
  AnswerOptions,
  /**
   * An answer as data.
   *
   * @since 0.1.0
   * @category models
   */
  AnswerReply,
  /**
   * Where a stall or a reset happens.
   *
   * @since 0.1.0
   * @category models
   */
  BrokenOptions,
  /**
   * Kinds of errors, each with its own body on every wire.
   *
   * @since 0.1.0
   * @category models
   */
  ErrorKind,
  /**
   * Where a fault happens, and in which answer.
   *
   * @since 0.1.0
   * @category models
   */
  FaultOptions,
  /**
   * A fault as data.
   *
   * @since 0.1.0
   * @category models
   */
  FaultReply,
  /**
   * One request as the server got it.
   *
   * @since 0.1.0
   * @category models
   */
  RecordedRequest,
  /**
   * What the server does with one request, as data: an answer or a fault.
   *
   * @since 0.1.0
   * @category models
   */
  Reply,
  /**
   * A tool call to make.
   *
   * @since 0.1.0
   * @category models
   */
  ScriptedToolCall,
  /**
   * An error status as data.
   *
   * @since 0.1.0
   * @category models
   */
  StatusReply
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Answers requests that have no scripted reply, instead of the server itself. */
  readonly respond?: ((request: RecordedRequest) => Reply) | undefined
  /** Call the first tool of a request that has no tool result yet. Default true. */
  readonly callTools?: boolean | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** `http://127.0.0.1:port`. Any path in front of a wire's own address will do. */
  readonly url: string
  /** Every request so far, in the order they came. */
  readonly requests: Effect.Effect<ReadonlyArray<RecordedRequest>>
  /** Connections that are open now. */
  readonly openSockets: Effect.Effect<number>
  /** Connections there were in all. */
  readonly connections: Effect.Effect<number>
  /** Adds replies for the next requests, one each. */
  readonly script: (...replies: ReadonlyArray<Reply>) => Effect.Effect<void>
  /** Forgets requests and replies and starts counting ids again. */
  readonly reset: Effect.Effect<void>
}

/**
 * @since 0.1.0
 * @category services
 */
export class FakeProvider extends Context.Tag("effect-majordomo/testing/FakeProvider")<FakeProvider, Service>() {}

// ── answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * Answers with text.
 *
 * @since 0.1.0
 * @category answers
 */
export const text = (text: string, options?: AnswerOptions): AnswerReply => ({ ...answer(text), ...options })

/**
 * Answers with a value as JSON text.
 *
 * @since 0.1.0
 * @category answers
 */
export const json = (value: JsonValue, options?: AnswerOptions): AnswerReply => text(JSON.stringify(value), options)

/**
 * Calls tools, with text before if wanted.
 *
 * @since 0.1.0
 * @category answers
 */
export const toolCalls = (
  calls: ReadonlyArray<ScriptedToolCall>,
  options?: AnswerOptions & { readonly text?: string | undefined }
): AnswerReply => {
  const { text: said = "", ...rest } = options ?? {}
  return { ...answer(said, calls), ...rest }
}

/**
 * Refuses, the way each wire does: a refusal part, a stop reason, a safety block.
 *
 * @since 0.1.0
 * @category answers
 */
export const refusal = (text: string, options?: AnswerOptions): AnswerReply => ({
  ...answer(""),
  refusal: text,
  ...options
})

/**
 * Stops at the output limit.
 *
 * @since 0.1.0
 * @category answers
 */
export const truncated = (text: string, options?: AnswerOptions): AnswerReply => ({
  ...answer(text),
  truncated: true,
  ...options
})

// ── faults ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * An error status with the body the wire gives to it. `retryAfter` is in seconds.
 *
 * @since 0.1.0
 * @category faults
 */
export const status = (
  status: number,
  options?: {
    readonly retryAfter?: number | undefined
    /** Default: told from the status. */
    readonly kind?: ErrorKind | undefined
    readonly body?: string | undefined
    readonly headers?: Readonly<Record<string, string>> | undefined
  }
): StatusReply => ({
  _tag: "Status",
  status,
  kind: options?.kind ?? kindOf(status),
  retryAfter: options?.retryAfter,
  body: options?.body,
  headers: options?.headers ?? {}
})

/**
 * An error after HTTP 200: an event of a stream, else the error's body.
 *
 * @since 0.1.0
 * @category faults
 */
export const inBandError = (options?: FaultOptions & { readonly kind?: ErrorKind | undefined }): FaultReply => ({
  ...options,
  _tag: "InBandError",
  kind: options?.kind ?? "overloaded"
})

/**
 * Falls silent and keeps the connection.
 *
 * @since 0.1.0
 * @category faults
 */
export const stall = (options?: BrokenOptions): FaultReply => ({ ...options, _tag: "Stall" })

/**
 * Resets the connection.
 *
 * @since 0.1.0
 * @category faults
 */
export const reset = (options?: BrokenOptions): FaultReply => ({ ...options, _tag: "Reset" })

/**
 * Ends the body, in good order, before the answer is complete.
 *
 * @since 0.1.0
 * @category faults
 */
export const cut = (options?: FaultOptions): FaultReply => ({ ...options, _tag: "Cut" })

/**
 * Half of the JSON: of one event of a stream, which then goes on, or of the whole answer.
 *
 * @since 0.1.0
 * @category faults
 */
export const badJson = (options?: FaultOptions): FaultReply => ({ ...options, _tag: "BadJson" })

/**
 * A text of so many bytes, in one event of a stream. It is made while it is sent.
 *
 * @since 0.1.0
 * @category faults
 */
export const oversized = (bytes: number): FaultReply => ({ _tag: "Oversized", bytes })

/**
 * The right body under another `content-type`.
 *
 * @since 0.1.0
 * @category faults
 */
export const wrongLabel = (reply: Reply, contentType: string): Reply => ({ _tag: "WrongLabel", reply, contentType })

/**
 * Sends pieces of so many `bytes` with `delay` ms between them. Default: one byte at a time, 1 ms.
 *
 * @since 0.1.0
 * @category faults
 */
export const slow = (
  reply: Reply,
  options?: { readonly delay?: number | undefined; readonly bytes?: number | undefined }
): Reply => ({ _tag: "Slow", reply, delay: options?.delay ?? 1, bytes: options?.bytes ?? 1 })

/**
 * Sends the client elsewhere.
 *
 * @since 0.1.0
 * @category faults
 */
export const redirect = (url: string, options?: { readonly status?: number | undefined }): Reply => ({
  _tag: "Redirect",
  url,
  status: options?.status ?? 307
})

/**
 * A proxy's error page.
 *
 * @since 0.1.0
 * @category faults
 */
export const html = (status: number = 502): Reply => ({ _tag: "Html", status })

// ── the server ──────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * Starts the server. Closing the scope closes it and all its connections at once.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options?: Options): Effect.Effect<Service, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const server = new Server({ callTools: options?.callTools ?? true, respond: options?.respond })
      return { server, url: await server.listen() }
    }),
    ({ server }) => Effect.promise(() => server.close())
  ).pipe(
    Effect.map(({ server, url }): Service => ({
      url,
      requests: Effect.sync(() => server.requests),
      openSockets: Effect.sync(() => server.sockets.size),
      connections: Effect.sync(() => server.connections),
      script: (...replies) => Effect.sync(() => server.script(replies)),
      reset: Effect.sync(() => server.reset())
    }))
  )

/**
 * The server as a layer.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { LLM, OpenAICompatible } from "effect-majordomo"
 * import { FakeProvider } from "effect-majordomo/testing"
 * import { FetchHttpClient } from "@effect/platform"
 * import { Effect, Layer } from "effect"
 *
 * const model = Layer.unwrapEffect(Effect.map(FakeProvider.FakeProvider, ({ url }) =>
 *   OpenAICompatible.layer({ baseUrl: url, model: "any" })))
 *
 * const program = Effect.gen(function*() {
 *   const provider = yield* FakeProvider.FakeProvider
 *   yield* provider.script(FakeProvider.status(429, { retryAfter: 1 }), FakeProvider.text("Hello."))
 *   return yield* LLM.generateText({ prompt: "Hi" })
 * }).pipe(Effect.provide(Layer.provideMerge(model, Layer.merge(FakeProvider.layer(), FetchHttpClient.layer))))
 * ```
 */
export const layer = (options?: Options): Layer.Layer<FakeProvider> => Layer.scoped(FakeProvider, make(options))
