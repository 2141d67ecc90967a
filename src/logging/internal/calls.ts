/** The decorator: each call leaves one row, however it ends. */
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { labelsOf } from "../../internal/call/labels.ts"
import { kindOf } from "../../internal/call/logFailure.ts"
import { Observer, Sessions } from "../../internal/call/observer.ts"
import { withRunning } from "../../internal/call/runtime.ts"
import { billedOf } from "../../internal/call/unanswered.ts"
import type { Request, Service } from "../../LLM.ts"
import type { LLMError } from "../../LLMError.ts"
import * as Metadata from "../../Metadata.ts"
import type { Response, StreamPart } from "../../Response.ts"
import type { Origin } from "../Logging.ts"
import type { Entry } from "../RequestLog.ts"
import * as bodies from "./bodies.ts"
import type { Item } from "./item.ts"
import * as rows from "./rows.ts"

export class CurrentOrigin
  extends Context.Reference<CurrentOrigin>()("effect-majordomo/logging/Logging/CurrentOrigin", {
    defaultValue: (): Origin => ({})
  })
{}

export interface Settings {
  readonly attempts: boolean
  readonly redact: ((entry: Entry) => Entry) | undefined
  readonly bodies: "all" | "none" | "errors"
  readonly maxBodyBytes: number
  readonly offer: (item: Item) => Effect.Effect<void>
}

const rowBytes = 700

/** What a row says of bodies whose store has not been asked yet: it is read only after a crash. */
const notStored = "the process ended before the bodies were stored"

/** One call: what is known of it, and its row, once. */
class Call {
  private readonly llm: Service
  private readonly settings: Settings
  private readonly request: Request<unknown, unknown>
  private readonly streamed: boolean
  private readonly clock: Clock.Clock
  private readonly scoped: Metadata.Metadata
  private readonly origin: Origin
  private readonly startedAt: number
  private readonly startedNanos: bigint
  private readonly observer: Sessions
  private firstPart: number | undefined
  private response: Response<unknown> | undefined
  private isRecorded = false

  constructor(
    llm: Service,
    settings: Settings,
    request: Request<unknown, unknown>,
    streamed: boolean,
    clock: Clock.Clock,
    context: Context.Context<never>
  ) {
    this.llm = llm
    this.settings = settings
    this.request = request
    this.streamed = streamed
    this.clock = clock
    this.scoped = Context.get(context, Metadata.Current)
    this.origin = Context.get(context, CurrentOrigin)
    this.observer = new Sessions(Context.get(context, Observer))
    this.startedAt = clock.unsafeCurrentTimeMillis()
    this.startedNanos = clock.unsafeCurrentTimeNanos()
  }

  private get sessions() {
    return this.observer.all
  }

  readonly observed = <R>(context: Context.Context<R>): Context.Context<R> =>
    Context.add(context, Observer, this.observer)

  private get elapsed(): number {
    return Number(this.clock.unsafeCurrentTimeNanos() - this.startedNanos) / 1e9
  }

  /** A chunk of a stream; the answer, if it ends with it. */
  came<A>(chunk: Chunk.Chunk<StreamPart<A>>): Response<A> | undefined {
    const { length } = chunk
    if (length === 0) return undefined
    this.firstPart ??= this.elapsed
    const last = Chunk.unsafeGet(chunk, length - 1)
    return last._tag === "Finish" ? this.response = last.response : undefined
  }

  readonly answered = (response: Response<unknown>): Effect.Effect<void> => {
    this.response = response
    return this.guarded(() => this.record(rows.ofResponse(this.facts, response, "success"), undefined))
  }

  /** Whatever happens here, the call goes on. */
  private guarded(record: () => Effect.Effect<void>): Effect.Effect<void> {
    try {
      return record()
    } catch (error) {
      return Effect.logError("a call could not be logged", kindOf(error))
    }
  }

  /** The end of a call, for whatever has not been recorded by then. */
  readonly ended = (exit: Exit.Exit<unknown, LLMError>): Effect.Effect<void> => {
    if (this.isRecorded) return Effect.void
    const cause = exit._tag === "Failure" ? exit.cause : undefined
    // The whole answer was there, but its reader had stopped.
    const { response } = this
    if (response !== undefined && (cause === undefined || Cause.isInterruptedOnly(cause))) {
      return this.guarded(() => this.record(rows.ofResponse(this.facts, response, "cancelled"), cause))
    }
    const error = cause === undefined ? undefined : Option.getOrUndefined(Cause.failureOption(cause))
    return Effect.flatMap(
      billedOf(this.sessions, error),
      (billed) => this.guarded(() => this.record(rows.ofFailure(this.facts, cause, billed), cause))
    )
  }

  private get facts(): rows.Facts {
    return {
      provider: this.llm.provider,
      model: this.llm.model,
      streamed: this.streamed,
      metadata: labelsOf(this.scoped, this.request.metadata),
      origin: this.origin,
      sessions: this.sessions,
      timestamp: this.startedAt,
      elapsed: this.elapsed,
      firstPart: this.firstPart
    }
  }

  private record(row: Entry, cause: Cause.Cause<LLMError> | undefined): Effect.Effect<void> {
    if (this.isRecorded) return Effect.void
    this.isRecorded = true
    const { attempts, bodies: wanted, offer } = this.settings
    const stores = wanted === "all" || (wanted === "errors" && row.status !== "success")
    const offered = offer(this.item(stores ? { ...row, storageError: notStored } : row, stores, cause))
    if (!attempts) return offered
    const tries = Effect.forEach(rows.ofAttempts(row), (entry) => offer(this.item(entry, false, undefined)), {
      discard: true
    })
    return Effect.zipRight(offered, tries)
  }

  private item(row: Entry, stores: boolean, cause: Cause.Cause<LLMError> | undefined): Item {
    const { maxBodyBytes, redact } = this.settings
    const { request, response, sessions } = this
    const entry = redact === undefined ? row : redactedBy(redact, row)
    if (!stores) return { entry, bytes: rowBytes, bodies: undefined, segment: undefined, order: 0 }
    const partial = sessions.at(-1)?.completion
    return {
      entry,
      bytes: rowBytes + bodies.weigh(request.prompt) + (response?.text ?? partial?.visibleText ?? "").length,
      bodies: () =>
        bodies.make({
          requestId: entry.requestId,
          request,
          metadata: entry.metadata,
          sessions,
          response,
          cause,
          maxBytes: maxBodyBytes
        }),
      segment: undefined,
      order: 0
    }
  }
}

/** What a redactor that fails would have taken out is not known: all free text goes, the row stays. */
const redactedBy = (redact: (entry: Entry) => Entry, entry: Entry): Entry => {
  try {
    const { kind, parentId, requestId } = entry
    return { ...redact(entry), requestId, kind, parentId }
  } catch {
    return {
      ...entry,
      errorMessage: "redact failed: the texts of this row are left out",
      metadata: {},
      apiKeyAlias: undefined,
      requestPath: undefined
    }
  }
}

export const decorate = (llm: Service, settings: Settings): Service => {
  const begin = (request: Request<unknown, unknown>, streamed: boolean): Effect.Effect<Call> =>
    withRunning(({ clock, context }) => Effect.succeed(new Call(llm, settings, request, streamed, clock, context)))
  return {
    ...llm,
    generate: (request) =>
      Effect.flatMap(begin(request, false), (call) =>
        Effect.onExit(
          Effect.mapInputContext(llm.generate(request), call.observed),
          (exit) => exit._tag === "Success" ? call.answered(exit.value) : call.ended(exit)
        )),
    stream: (request) => Stream.unwrap(Effect.map(begin(request, true), (call) => watched(call, llm.stream(request))))
  }
}

/** The end of a stream is recorded before its reader has it; a reader that stops earlier has cancelled. */
const watched = <A, R>(
  call: Call,
  stream: Stream.Stream<StreamPart<A>, LLMError, R>
): Stream.Stream<StreamPart<A>, LLMError, R> => {
  type Parts = Chunk.Chunk<StreamPart<A>>
  const loop: Channel.Channel<Parts, Parts, LLMError, LLMError, unknown, unknown> = Channel.readWithCause({
    onInput: (chunk: Parts) => {
      const response = call.came(chunk)
      if (response === undefined) return Channel.zipRight(Channel.write(chunk), loop)
      const last = Channel.zipRight(
        Channel.fromEffect(Effect.suspend(() => call.answered(response))),
        Channel.zipRight(Channel.write(Chunk.takeRight(chunk, 1)), loop)
      )
      return chunk.length === 1 ? last : Channel.zipRight(Channel.write(Chunk.dropRight(chunk, 1)), last)
    },
    onFailure: Channel.failCause,
    onDone: Channel.succeed
  })
  return Stream.fromChannel(
    Channel.ensuringWith(
      Channel.pipeTo(Stream.toChannel(Stream.mapInputContext(stream, call.observed)), loop),
      call.ended
    )
  )
}
