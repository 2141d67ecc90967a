/** A service that remembers answers. */
import * as Persistence from "@effect/experimental/Persistence"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import type * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Options } from "../../Cache.ts"
import * as Cost from "../../Cost.ts"
import type { Request, Service } from "../../LLM.ts"
import * as LLMError from "../../LLMError.ts"
import type { JsonValue } from "../../Prompt.ts"
import type { Response, StreamPart } from "../../Response.ts"
import { replay } from "../call/answerStream.ts"
import { copyWith } from "../call/copyError.ts"
import { type Decoded, withSource } from "../call/decodedFrom.ts"
import { logFailure } from "../call/logFailure.ts"
import { unwrap } from "../call/openedStream.ts"
import { withSpan } from "../call/telemetry.ts"
import { uuidv7 } from "../call/uuid.ts"
import { checked } from "../call/validate.ts"
import { Entry, keyOf, type Stored, toStored } from "./entry.ts"

export const hits = Metric.counter("effect_majordomo_cache_hits", {
  description: "Answers that came from the response cache",
  incremental: true
})

export const misses = Metric.counter("effect_majordomo_cache_misses", {
  description: "Requests that the response cache sent on",
  incremental: true
})

/** How a call that others wait for came out. */
type Landing =
  | { readonly _tag: "Answered"; readonly stored: Stored }
  | { readonly _tag: "Failed"; readonly error: LLMError.LLMError }
  /** It has nothing to share: another one must ask. */
  | { readonly _tag: "Lost" }

type Flight = Deferred.Deferred<Landing>

const defaultTimeToLive = Duration.days(1)

/** A store that is slower than this is not waited for. */
const patience = "1 second"

export const make = (
  llm: Service,
  options: Options & { readonly bypass: Effect.Effect<boolean> }
): Effect.Effect<Service, never, Persistence.ResultPersistence | Scope.Scope> =>
  Effect.gen(function*() {
    const { storeId = "effect-majordomo", timeToLive = defaultTimeToLive } = options
    const persistence = yield* Persistence.ResultPersistence
    const store = yield* persistence.make({ storeId, timeToLive: () => timeToLive })
    const flights = new Map<string, Flight>()

    const read = (key: string): Effect.Effect<Option.Option<Stored>> =>
      store.get(new Entry({ key })).pipe(
        Effect.timeout(patience),
        Effect.map(Option.flatMap(Exit.match({ onFailure: Option.none, onSuccess: Option.some }))),
        Effect.catchAllCause((cause) =>
          Effect.as(logFailure("the response cache could not be read", cause), Option.none())
        )
      )

    const write = (key: string, stored: Stored): Effect.Effect<void> =>
      store.set(new Entry({ key }), Exit.succeed(stored)).pipe(
        Effect.timeout(patience),
        Effect.catchAllCause((cause) => logFailure("the response cache could not be written", cause))
      )

    /** The answer as this call wants it; none when it cannot be decoded. */
    const recall = <A, R>(
      stored: Stored,
      call: Call<A, R>,
      streamed: boolean
    ): Effect.Effect<Option.Option<Recalled<A>>, never, R> => {
      const { onToolCalls, decode } = call.request.output
      const content = stored.value !== undefined
        ? decode(stored.value)
        : onToolCalls === undefined
        ? Effect.fail(undefined)
        : Effect.succeed(onToolCalls.content)
      return Effect.matchEffect(content, {
        onFailure: () =>
          Effect.as(Effect.logWarning("an answer of the response cache could not be decoded"), Option.none()),
        onSuccess: (content) =>
          Effect.as(
            Metric.increment(hits),
            Option.some({ response: toResponse(stored, content, call, streamed), value: stored.value })
          )
      })
    }

    /** An answer from the store, or of a call under way; none when this call must ask. */
    const known = <A, R>(
      call: Call<A, R>,
      streamed: boolean
    ): Effect.Effect<Option.Option<Recalled<A>>, LLMError.LLMError, R> =>
      withSpan("Cache.lookup", () => ({ attributes: { "effect_majordomo.cache.key": call.key } }), () =>
        Effect.flatMap(read(call.key), (stored) => {
          const recalled = Option.isSome(stored) ? recall(stored.value, call, streamed) : Effect.succeedNone
          return Effect.flatMap(
            recalled,
            (found) =>
              Option.isSome(found) ? Effect.succeed(found) : joined(call, streamed)
          )
        }))

    const joined = <A, R>(
      call: Call<A, R>,
      streamed: boolean
    ): Effect.Effect<Option.Option<Recalled<A>>, LLMError.LLMError, R> =>
      Effect.suspend(() => {
        const flight = flights.get(call.key)
        if (flight === undefined) {
          return Effect.succeedNone
        }
        return Effect.flatMap(
          waited(flight, call),
          (landing): Effect.Effect<Option.Option<Recalled<A>>, LLMError.LLMError, R> => {
            switch (landing._tag) {
              case "Answered":
                return recall(landing.stored, call, streamed)
              case "Failed":
                return Effect.fail(landing.error)
              case "Lost":
                return joined(call, streamed)
            }
          }
        )
      })

    const waited = <A, R>(flight: Flight, { request: { timeouts } }: Call<A, R>) => {
      const landing = Deferred.await(flight)
      return timeouts?.total === undefined ? landing : Effect.timeoutFail(landing, {
        duration: timeouts.total,
        onTimeout: () =>
          new LLMError.ProviderError({
            provider: llm.provider,
            model: llm.model,
            reason: new LLMError.Timeout({ phase: "total" }),
            description: "it waited for the same request of another call"
          })
      })
    }

    const generate = <A, R>(call: Call<A, R>): Effect.Effect<Response<A>, LLMError.LLMError, R> =>
      Effect.flatMap(
        known(call, false),
        (recalled) =>
          Option.isSome(recalled) ? Effect.succeed(recalled.value.response) : lead(call)
      )

    /** Asks, while others of the same key wait. */
    const lead = <A, R>(call: Call<A, R>): Effect.Effect<Response<A>, LLMError.LLMError, R> =>
      // From here to the finalizer nothing may interrupt: a flight that never lands would keep the others waiting.
      Effect.uninterruptibleMask((restore) =>
        Effect.suspend(() => {
          const { key, request } = call
          // Someone else may have begun since.
          if (flights.has(key)) {
            return restore(generate(call))
          }
          const flight = Deferred.unsafeMake<Landing>(FiberId.none)
          flights.set(key, flight)
          const land = (landing: Landing) =>
            Deferred.succeed(flight, landing)
          const asked = Effect.flatMap(
            Effect.zipRight(Metric.increment(misses), llm.generate(withSource(request))),
            (response) => {
              const stored = toStored(response)
              const kept = stored === undefined
                ? Effect.void
                : Effect.zipRight(land({ _tag: "Answered", stored }), write(key, stored))
              return Effect.as(kept, contentOf(response))
            }
          )
          return Effect.onExit(restore(asked), (exit) => {
            flights.delete(key)
            return land(landingOf(exit))
          })
        })
      )

    const stream = <A, R>(call: Call<A, R>): Stream.Stream<StreamPart<A>, LLMError.LLMError, R> =>
      unwrap(Effect.flatMap(known(call, true), (recalled) => {
        if (Option.isNone(recalled)) return Effect.as(Metric.increment(misses), remembering(call))
        const { response, value } = recalled.value
        const replayed: Stream.Stream<StreamPart<A>, LLMError.LLMError, R> = replay(
          response,
          call.request.output.format.type === "text" ? undefined : value
        )
        return Effect.succeed(replayed)
      }))

    const remembering = <A, R>(call: Call<A, R>): Stream.Stream<StreamPart<A>, LLMError.LLMError, R> =>
      Stream.mapChunksEffect(llm.stream(withSource(call.request)), (chunk) => {
        const last = Chunk.last(chunk)
        const shown = Chunk.map(chunk, plain)
        const stored = Option.isSome(last) && last.value._tag === "Finish" ? toStored(last.value.response) : undefined
        return stored === undefined ? Effect.succeed(shown) : Effect.as(write(call.key, stored), shown)
      })

    const called = <A, R>(request: Request<A, R>): Effect.Effect<Call<A, R> | undefined> =>
      Effect.gen(function*() {
        if (yield* options.bypass) return undefined
        const key = yield* keyOf(llm, request, options)
        const clock = yield* Effect.clock
        return key === undefined ? undefined : { key, request, clock, startedAt: clock.unsafeCurrentTimeNanos() }
      })

    return checked({
      provider: llm.provider,
      model: llm.model,
      generate: (request) =>
        Effect.flatMap(called(request), (call) => call === undefined ? llm.generate(request) : generate(call)),
      stream: (request) =>
        unwrap(Effect.map(called(request), (call) => call === undefined ? llm.stream(request) : stream(call)))
    })
  })

/** A request that the cache looks at. */
interface Call<A, R> {
  readonly key: string
  readonly request: Request<A, R>
  readonly clock: Clock.Clock
  readonly startedAt: bigint
}

interface Recalled<A> {
  readonly response: Response<A>
  readonly value: JsonValue | undefined
}

const contentOf = <A>(response: Response<Decoded<A>>): Response<A> => ({
  ...response,
  content: response.content.content
})

const plain = <A>(part: StreamPart<Decoded<A>>): StreamPart<A> =>
  part._tag === "Finish" ? { ...part, response: contentOf(part.response) } : part

const landingOf = (exit: Exit.Exit<unknown, LLMError.LLMError>): Landing => {
  const error = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.failureOption(exit.cause)) : undefined
  if (error === undefined || isOwn(error)) return { _tag: "Lost" }
  // What the tries were billed is told once, to the call that made them.
  return { _tag: "Failed", error: copyWith(error, { attempts: [], usage: undefined, cost: undefined }) }
}

/** Failures that another call with the same key need not share: its schema and its limits are not part of the key. */
const isOwn = (error: LLMError.LLMError): boolean =>
  error._tag === "ResponseParsingError" ||
  (error._tag === "ProviderError" && error.reason._tag === "Timeout" && error.reason.phase !== "provider")

const toResponse = <A, R>(
  stored: Stored,
  content: A,
  { clock, startedAt }: Call<A, R>,
  streamed: boolean
): Response<A> => {
  const duration = Duration.nanos(clock.unsafeCurrentTimeNanos() - startedAt)
  const { id, rawFinishReason, reasoning, routed, value: _, ...same } = stored
  return {
    ...same,
    content,
    reasoning: Option.fromNullable(reasoning),
    rawFinishReason: Option.fromNullable(rawFinishReason),
    id: Option.fromNullable(id),
    routed: Option.fromNullable(routed),
    cost: Option.some(Cost.zeroUSD),
    requestId: uuidv7(clock.unsafeCurrentTimeMillis()),
    duration,
    timeToFirstToken: streamed ? Option.some(duration) : Option.none(),
    attempts: [],
    cached: true
  }
}
