/** One request that an LLM answers: read in its client's protocol, answered, written back in it, its row told. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { ServerResponse } from "node:http"
import * as Cost from "../../Cost.ts"
import * as onEnd from "../../internal/call/onEnd.ts"
import { opened, type Parts } from "../../internal/call/openedStream.ts"
import { parse } from "../../internal/json/values.ts"
import * as gatewayExtension from "../../internal/wires/gatewayExtension.ts"
import {
  answerOfError,
  type Asked,
  type End,
  endOf,
  type Envelope,
  type Frames,
  type Problem,
  problemOf,
  type Serve,
  type Writer
} from "../../internal/wires/serving.ts"
import type { CallEnd, Service } from "../../LLM.ts"
import * as LLM from "../../LLM.ts"
import type { LLMError } from "../../LLMError.ts"
import * as Logging from "../../logging/Logging.ts"
import type { JsonObject } from "../../Prompt.ts"
import type { Response } from "../../Response.ts"
import type { Unified } from "./admission/admission.ts"
import type { Exchange } from "./record.ts"
import type { Refusal } from "./refusal.ts"
import { served } from "./served.ts"
import { Shown } from "./shown.ts"

/** What is known when the answer ends: the row is made of it. */
export interface Served {
  readonly _tag: "Served"
  readonly end: CallEnd | undefined
  readonly bytesOut: number
  /** Of the monotonic clock, ms. */
  readonly firstByteAt: number | undefined
  readonly streams: boolean
}

export interface Options {
  readonly exchange: Exchange
  readonly response: ServerResponse
  readonly unified: Unified
  /** A client that takes nothing for so long is gone, ms. */
  readonly patience: number
  readonly headers: () => Readonly<Record<string, string>>
  readonly refuse: (refusal: Refusal) => Effect.Effect<void>
  readonly broken: Refusal
  /** Writes the row. */
  readonly record: (end: Served, statusCode: number) => Effect.Effect<void>
  readonly restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/** A stream that says nothing for so long says that it is there, ms. */
const silence = 15_000

export const answer = (options: Options): Effect.Effect<void> => {
  const { exchange, refuse, unified } = options
  const serve = served[unified.wire]
  const read = serve.read(parse(unified.body.toString("utf8")), {
    // Where the body names a model, its path does not.
    model: exchange.known.model,
    stream: exchange.known.streams,
    provider: unified.llm.provider
  })
  if (Either.isLeft(read)) {
    const { message, parameter } = read.left
    return refuse({ status: 400, code: "invalid_request", message, parameter })
  }
  exchange.known.streams = read.right.stream
  return new Conversation(options, serve, read.right).run
}

class Conversation {
  private readonly options: Options
  private readonly serve: Serve
  private readonly asked: Asked
  private readonly envelope: Envelope
  private readonly writer: Writer
  private readonly shown: Shown
  private end: CallEnd | undefined
  private bytesOut = 0
  private firstByteAt: number | undefined
  private lastWriteAt = performance.now()
  private isTold = false

  constructor(options: Options, serve: Serve, asked: Asked) {
    const { exchange } = options
    this.options = options
    this.serve = serve
    this.asked = asked
    this.envelope = {
      id: exchange.id.replaceAll("-", ""),
      created: Math.floor(exchange.startedAt / 1000),
      model: asked.model,
      hasUsage: true,
      includeUsage: asked.includeUsage
    }
    this.writer = serve.writer(this.envelope)
    this.shown = new Shown(asked.request)
  }

  get run(): Effect.Effect<void> {
    const { broken, exchange: { known, request }, refuse, response, restore, unified } = this.options
    const llm = onEnd.decorate(unified.llm, () => (end) =>
      Effect.sync(() => {
        this.end = end
      }))
    const origin = Logging.withOrigin({
      majordomoApiKeyId: known.key?.id,
      requestPath: (request.url ?? "").split("?", 1)[0],
      requestMethod: request.method
    })
    const labels = LLM.withMetadata(this.options.exchange.labels)
    const answered = labels(origin(this.asked.stream ? this.streamed(llm) : this.whole(llm)))
    const left = Effect.as(closed(response), undefined)
    return Effect.flatMap(Effect.exit(restore(Effect.raceFirst(answered, left))), (exit) => {
      if (this.isTold) return Effect.void
      if (Exit.isFailure(exit) && !Cause.isInterruptedOnly(exit.cause)) {
        return Effect.zipRight(
          Effect.logError("the gateway failed", exit.cause),
          response.headersSent ? Effect.zipRight(this.tell(500), this.cut([])) : refuse(broken)
        )
      }
      return Effect.zipRight(this.tell(response.headersSent ? response.statusCode : 499), this.cut([]))
    })
  }

  /** The row, once. */
  private tell(statusCode: number): Effect.Effect<void> {
    if (this.isTold) return Effect.void
    this.isTold = true
    const { bytesOut, end, firstByteAt } = this
    return this.options.record({ _tag: "Served", end, bytesOut, firstByteAt, streams: this.asked.stream }, statusCode)
  }

  // ── in one piece ──────────────────────────────────────────────────────────────────────────────────────────────────

  private whole(llm: Service): Effect.Effect<void> {
    return Effect.matchEffect(llm.generate(this.asked.request), {
      onFailure: (error) => this.failed(error),
      onSuccess: (response) =>
        this.send(
          200,
          this.serve.whole({ ...this.envelope, model: response.model }, {
            // What was asked for as JSON is that, without what stood around it.
            content: this.asked.request.output.format.type === "text" || response.toolCalls.length > 0
              ? contentOf(response.message.content)
              : [
                ...contentOf(response.message.content).filter((part) => part.type !== "text"),
                { type: "text", text: response.content }
              ],
            end: endOf(response, this.extension)
          }),
          this.known(response.warnings.map(({ message }) => message))
        )
    })
  }

  private failed(error: LLMError): Effect.Effect<void> {
    const asAnswer = answerOfError(error)
    if (asAnswer !== undefined) {
      const body = this.serve.whole(this.envelope, {
        ...asAnswer,
        end: { ...asAnswer.end, extension: this.extension }
      })
      return this.send(200, body, this.known([]))
    }
    const problem = this.problem(error)
    const { retryAfter } = problem
    return this.send(this.serve.statusOf(problem), this.serve.error(problem), {
      ...this.known([]),
      ...(retryAfter === undefined ? {} : { "retry-after": String(Math.ceil(retryAfter)) })
    })
  }

  private problem(error: LLMError): Problem {
    return { ...problemOf(error), requestId: this.options.exchange.id, extension: this.extension }
  }

  private send(
    status: number,
    body: JsonObject,
    more: Readonly<Record<string, string>>
  ): Effect.Effect<void> {
    const { headers, response } = this.options
    const bytes = Buffer.from(JSON.stringify(body))
    this.bytesOut = bytes.length
    this.firstByteAt = performance.now()
    const sent = Effect.sync(() => {
      if (response.destroyed) return
      response.writeHead(status, {
        "content-type": "application/json",
        "content-length": String(bytes.length),
        ...headers(),
        ...more
      })
      response.end(bytes)
    })
    return Effect.zipRight(Effect.uninterruptible(Effect.zipRight(this.tell(status), sent)), closed(response))
  }

  /** What is known of the call, as headers. */
  private known(warnings: ReadonlyArray<string>): Readonly<Record<string, string>> {
    const { end } = this
    const all = [...this.asked.warnings, ...warnings]
    const cost = end?.cost._tag === "Some" ? Cost.amountToString(end.cost.value.exact.total) : undefined
    return {
      ...(all.length === 0 ? {} : { "x-majordomo-warnings": plain(all.join("; ")) }),
      ...(end === undefined ? {} : placeHeaders(end.provider, end.model)),
      ...(cost === undefined ? {} : { "x-majordomo-cost": cost }),
      ...(isCached(end) ? { "x-majordomo-cache": "hit" } : {})
    }
  }

  private get extension(): JsonObject {
    const { end, options: { exchange } } = this
    return {
      request_id: exchange.id,
      ...(end === undefined ? {}
        : end.outcome === "success" ? gatewayExtension.write(end) : gatewayExtension.writeFailure(end)),
      ...(isCached(end) ? { cached: true } : {})
    }
  }

  // ── as a stream ───────────────────────────────────────────────────────────────────────────────────────────────────

  private streamed(llm: Service): Effect.Effect<void> {
    const parts = Effect.acquireUseRelease(
      Scope.make(),
      (scope) =>
        Effect.flatMap(opened(llm.stream(this.asked.request), scope), ({ first, pull }) => {
          const read = (parts: Parts<string> | undefined): Effect.Effect<void, LLMError> =>
            parts === undefined ? Effect.void : Effect.zipRight(this.came(parts), next)
          const next = Effect.flatMap(pull, read)
          return read(first)
        }),
      (scope, exit) => Scope.close(scope, exit)
    )
    return Effect.raceFirst(
      Effect.catchAll(parts, (error) => this.brokeOff(error)),
      this.serve.ping === undefined ? Effect.never : this.pinging(this.serve.ping)
    )
  }

  /** Writes what came as it is called; waits only for a client that is slow. */
  private came(parts: Parts<string>): Effect.Effect<void> {
    this.open()
    const frames: Array<Frames[number]> = []
    let response: Response<string> | undefined
    for (const part of parts) {
      if (part._tag === "Finish") response = part.response
      else if (part._tag !== "Seam") {
        for (const shown of this.shown.parts(part)) frames.push(...this.writer.part(shown))
      }
    }
    if (response === undefined) return this.write(frames)
    if (this.shown.isHeld) frames.push(...this.held(response.content, response.message.content.length))
    const end = endOf(response, {
      ...this.extension,
      ...(response.warnings.length === 0 ? {} : { warnings: response.warnings.map(({ message }) => message) })
    })
    return this.finish(frames, end)
  }

  /** A text that was not shown while it came, behind the places of all other parts. */
  private held(text: string, index: number): Frames {
    return text === "" ? [] : [
      ...this.writer.part({ _tag: "TextDelta", index, delta: text }),
      ...this.writer.part({ _tag: "BlockEnd", index, part: { type: "text", text } })
    ]
  }

  private finish(frames: Frames, end: End): Effect.Effect<void> {
    const { response } = this.options
    const sent = Effect.sync(() => {
      this.open()
      this.put([...frames, ...this.writer.end(end)])
      response.end()
    })
    return Effect.zipRight(Effect.uninterruptible(Effect.zipRight(this.tell(200), sent)), closed(response))
  }

  private brokeOff(error: LLMError): Effect.Effect<void> {
    const asAnswer = answerOfError(error)
    if (asAnswer !== undefined) {
      // What was not held back went out as it came.
      const text = this.shown.isHeld && "text" in error ? error.text : ""
      return Effect.suspend(() => {
        this.open()
        const frames = asAnswer.end.refusal === undefined ? this.held(text, Number.MAX_SAFE_INTEGER) : []
        return this.finish(frames, { ...asAnswer.end, extension: this.extension })
      })
    }
    const { response } = this.options
    if (!response.headersSent) return this.failed(error)
    return Effect.uninterruptible(
      Effect.zipRight(this.tell(200), this.cut(this.writer.fail(this.problem(error))))
    )
  }

  private pinging(ping: string): Effect.Effect<never> {
    const { response } = this.options
    return Effect.forever(Effect.delay(
      Effect.sync(() => {
        if (performance.now() - this.lastWriteAt < silence || response.writableNeedDrain) return
        this.open()
        this.lastWriteAt = performance.now()
        response.write(ping)
      }),
      silence
    ))
  }

  /** From here on it is an answer. */
  private open(): void {
    const { headers, response, unified } = this.options
    if (response.headersSent || response.destroyed) return
    this.firstByteAt = performance.now()
    response.writeHead(200, {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache",
      ...headers(),
      ...(this.asked.warnings.length === 0 ? {} : { "x-majordomo-warnings": plain(this.asked.warnings.join("; ")) }),
      ...(unified.isSingle ? placeHeaders(unified.llm.provider, unified.llm.model) : {})
    })
    this.put(this.writer.start())
  }

  /** False: it is to be waited until the client has taken it. */
  private put(frames: Frames): boolean {
    const { response } = this.options
    if (frames.length === 0 || response.destroyed) return true
    let text = ""
    for (const { data, event } of frames) {
      if (event !== undefined) text += `event: ${event}\n`
      text += `data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`
    }
    const bytes = Buffer.from(text)
    this.bytesOut += bytes.length
    this.lastWriteAt = performance.now()
    return response.write(bytes)
  }

  private write(frames: Frames): Effect.Effect<void> {
    const { patience, response } = this.options
    if (this.put(frames)) return Effect.void
    return Effect.raceFirst(
      drained(response),
      Effect.delay(Effect.sync(() => void response.destroy()), patience)
    )
  }

  /** What was written goes out, and then the connection, without the mark of an answer's end. */
  private cut(frames: Frames): Effect.Effect<void> {
    const { response } = this.options
    return Effect.sync(() => {
      if (response.destroyed) return
      this.put(frames)
      if (response.socket === null) response.destroy()
      else response.socket.destroySoon()
    })
  }
}

const isCached = (end: CallEnd | undefined): boolean =>
  end?.response._tag === "Some" && end.response.value.cached === true

const contentOf = (content: ReadonlyArray<JsonPart> | string): ReadonlyArray<JsonPart> =>
  typeof content === "string" ? [{ type: "text", text: content }] : content

type JsonPart = Parameters<Serve["whole"]>[1]["content"][number]

const placeHeaders = (provider: string, model: string): Readonly<Record<string, string>> => ({
  "x-majordomo-provider": plain(provider),
  "x-majordomo-model": plain(model),
  "x-majordomo-routed-provider": plain(provider),
  "x-majordomo-routed-model": plain(model)
})

/** A header is one line of ASCII. */
const plain = (text: string): string => text.replace(/[^\x20-\x7e]+/g, " ").slice(0, 4000)

/** Ends when the client has all of the answer, or has gone. */
const closed = (response: ServerResponse): Effect.Effect<void> =>
  Effect.async((resume) => {
    const onClose = () => resume(Effect.void)
    if (response.closed || response.destroyed) return resume(Effect.void)
    response.once("close", onClose)
    return Effect.sync(() => response.off("close", onClose))
  })

const drained = (response: ServerResponse): Effect.Effect<void> =>
  Effect.async((resume) => {
    const onDrain = () => resume(Effect.void)
    response.once("drain", onDrain)
    return Effect.sync(() => response.off("drain", onDrain))
  })
