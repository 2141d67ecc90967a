/** The end of every call, told once: answered, failed, interrupted or no longer read. */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { CallEnd, Request, Service } from "../../LLM.ts"
import * as LLMError from "../../LLMError.ts"
import * as Metadata from "../../Metadata.ts"
import type { Response, StreamPart } from "../../Response.ts"
import * as Usage from "../../Usage.ts"
import { Account, accountOf, withAccount } from "./account.ts"
import { labelsOf } from "./labels.ts"
import { kindOf } from "./logFailure.ts"
import { answerIn, opened, type OpenedStream, type Parts, toStream } from "./openedStream.ts"
import { withRunning } from "./runtime.ts"

const incomplete: ReadonlySet<string> = new Set(["cost-incomplete", "usage-missing", "usage-implausible"])

/** Told the end; `scrub` takes the secrets of the call out of a text. */
export type Told = (end: CallEnd, scrub: (text: string) => string) => Effect.Effect<void>

type Measured = "duration" | "timeToFirstToken"
type Rare = "response" | "error" | "defect" | "partialText"

/** What ends differ in; a time that is not given is the watch's own. */
type Facts =
  & Omit<CallEnd, "requestId" | "streamed" | "startedAt" | "labels" | "request" | Measured | Rare>
  & Partial<Pick<CallEnd, Measured | Rare>>

/** One call: what is known of it, and its end, once. */
class Watch {
  readonly account: Account
  private readonly llm: Service
  private readonly request: Request<unknown, unknown>
  private readonly streamed: boolean
  private readonly clock: Clock.Clock
  private readonly scoped: Metadata.Metadata
  private readonly told: Told
  private readonly startedAt: number
  private readonly startedNanos: bigint
  private firstPartAt: bigint | undefined = undefined
  private response: Response<unknown> | undefined = undefined
  private failure: Cause.Cause<unknown> | undefined = undefined
  private isTold = false

  constructor(
    llm: Service,
    request: Request<unknown, unknown>,
    streamed: boolean,
    clock: Clock.Clock,
    scoped: Metadata.Metadata,
    told: Told
  ) {
    this.llm = llm
    this.request = request
    this.streamed = streamed
    this.clock = clock
    this.scoped = scoped
    this.told = told
    this.account = new Account(accountOf(request))
    this.startedAt = clock.unsafeCurrentTimeMillis()
    this.startedNanos = clock.unsafeCurrentTimeNanos()
  }

  /** Parts of a stream; the answer, if they end with it. */
  came<A>(parts: Parts<A> | undefined): Response<A> | undefined {
    if (parts === undefined || parts.length === 0) return undefined
    this.firstPartAt ??= this.clock.unsafeCurrentTimeNanos()
    const response = answerIn(parts)
    if (response !== undefined) this.response = response
    return response
  }

  /** The call itself failed, whatever its reader does with it. */
  failed(cause: Cause.Cause<unknown>): void {
    this.failure = cause
  }

  readonly answered = (response: Response<unknown>): Effect.Effect<void> =>
    this.tell(this.ofResponse(response, "success"))

  /** Its reader has stopped, for whatever reason, or it ended by itself. */
  readonly ended = (): Effect.Effect<void> => {
    if (this.isTold) return Effect.void
    const { failure, response } = this
    if (failure !== undefined && !Cause.isInterruptedOnly(failure)) return this.endedBadly(failure)
    // The whole answer was there, but its reader had stopped.
    return response === undefined ? this.withoutAnswer("cancelled", undefined)
      : this.tell(this.ofResponse(response, "cancelled"))
  }

  readonly exited = (exit: Exit.Exit<Response<unknown>, unknown>): Effect.Effect<void> => {
    if (exit._tag === "Success") return this.answered(exit.value)
    this.failed(exit.cause)
    return this.ended()
  }

  private endedBadly(cause: Cause.Cause<unknown>): Effect.Effect<void> {
    const failure = Option.getOrUndefined(Cause.failureOption(cause))
    // A type is not a wall: what fails with something else is a bug.
    const error = LLMError.isLLMError(failure) ? failure : undefined
    if (error === undefined) {
      const [defect] = failure === undefined ? Cause.defects(cause) : [failure]
      return this.withoutAnswer("error", kindOf(defect))
    }
    const requestId = this.account.idOf(error, this.startedAt)
    return this.tell(this.end(requestId, {
      outcome: "error",
      provider: error.provider,
      model: error.model,
      requestedModel: error.model,
      usage: error.usage ?? Usage.empty,
      cost: Option.fromNullable(error.cost),
      usagePartial: error.usagePartial === true,
      attempts: error.attempts,
      error: Option.some(error),
      key: this.account.find(requestId)?.key
    }))
  }

  /** Nobody was told what it came to: it is added up here. */
  private withoutAnswer(outcome: "error" | "cancelled", defect: string | undefined): Effect.Effect<void> {
    return Effect.flatMap(this.account.soFar, (ledger) => {
      const { current } = this.account
      const { cost, usage = Usage.empty } = ledger.billed
      return this.tell(this.end(this.account.idOf(undefined, this.startedAt), {
        outcome,
        provider: current?.provider ?? this.llm.provider,
        model: current?.ledger.running?.completion?.model ?? current?.model ?? this.llm.model,
        requestedModel: current?.model ?? this.llm.model,
        usage,
        cost: Option.fromNullable(cost),
        usagePartial: ledger.isPartial,
        attempts: ledger.attempts,
        defect: Option.fromNullable(defect),
        partialText: Option.fromNullable(current?.ledger.running?.completion?.visibleText),
        key: current?.key
      }))
    })
  }

  private ofResponse(response: Response<unknown>, outcome: CallEnd["outcome"]): CallEnd {
    return this.end(response.requestId, {
      outcome,
      provider: response.provider,
      model: response.model,
      requestedModel: response.requestedModel,
      duration: response.duration,
      timeToFirstToken: response.timeToFirstToken,
      usage: response.usage,
      cost: response.cost,
      usagePartial: response.warnings.some(({ code }) => incomplete.has(code)),
      attempts: response.attempts,
      response: Option.some(response),
      key: this.account.find(response.requestId)?.key
    })
  }

  /** Every call that ends comes here: one literal, no spreading. */
  private end(requestId: string, facts: Facts): CallEnd {
    return {
      requestId,
      outcome: facts.outcome,
      provider: facts.provider,
      model: facts.model,
      requestedModel: facts.requestedModel,
      streamed: this.streamed,
      startedAt: this.startedAt,
      duration: facts.duration ?? this.since(this.clock.unsafeCurrentTimeNanos()),
      timeToFirstToken: facts.timeToFirstToken ??
        (this.firstPartAt === undefined ? Option.none() : Option.some(this.since(this.firstPartAt))),
      usage: facts.usage,
      cost: facts.cost,
      usagePartial: facts.usagePartial,
      attempts: facts.attempts,
      labels: labelsOf(this.scoped, this.request.metadata),
      request: this.request,
      response: facts.response ?? Option.none(),
      error: facts.error ?? Option.none(),
      defect: facts.defect ?? Option.none(),
      partialText: facts.partialText ?? Option.none(),
      key: facts.key
    }
  }

  private since(nanos: bigint): Duration.Duration {
    return Duration.nanos(nanos - this.startedNanos)
  }

  private tell(end: CallEnd): Effect.Effect<void> {
    if (this.isTold) return Effect.void
    this.isTold = true
    return this.told(end, this.account.scrub)
  }
}

/** `begin` is asked once per call, with the context that the call runs in. */
export const decorate = (llm: Service, begin: (context: Context.Context<never>) => Told): Service => {
  const watch = (request: Request<unknown, unknown>, streamed: boolean): Effect.Effect<Watch> =>
    withRunning(({ clock, context }) =>
      Effect.succeed(
        new Watch(llm, request, streamed, clock, Context.get(context, Metadata.Current), begin(context))
      )
    )
  return {
    ...llm,
    generate: (request) =>
      Effect.flatMap(
        watch(request, false),
        (watch) => Effect.onExit(llm.generate(withAccount(request, watch.account)), watch.exited)
      ),
    stream: (request) =>
      toStream((scope) =>
        Effect.flatMap(
          watch(request, true),
          (watch) => watched(watch, llm.stream(withAccount(request, watch.account)), scope)
        )
      )
  }
}

/** The end of a stream is told before its reader has it; a reader that stops earlier has cancelled. */
const watched = <A, R>(
  watch: Watch,
  stream: Stream.Stream<StreamPart<A>, LLMError.LLMError, R>,
  scope: Scope.CloseableScope
): Effect.Effect<OpenedStream<A, R>, LLMError.LLMError, R> => {
  const failed = (cause: Cause.Cause<LLMError.LLMError>) => {
    watch.failed(cause)
    return Effect.failCause(cause)
  }
  return Effect.zipRight(
    Scope.addFinalizer(scope, Effect.suspend(watch.ended)),
    Effect.matchCauseEffect(opened(stream, scope), {
      onFailure: failed,
      onSuccess: ({ first, pull }) => {
        /** The answer, as long as its reader has seen only what came before it. */
        let last: Response<A> | undefined
        const shown = (parts: Parts<A> | undefined): Effect.Effect<Parts<A> | undefined> => {
          const response = watch.came(parts)
          if (parts === undefined || response === undefined) return Effect.succeed(parts)
          const finish = parts.slice(-1)
          if (parts.length === 1) return Effect.as(watch.answered(response), finish)
          last = response
          return Effect.succeed(parts.slice(0, -1))
        }
        const next = Effect.suspend(() => {
          if (last === undefined) return Effect.matchCauseEffect(pull, { onFailure: failed, onSuccess: shown })
          const response = last
          last = undefined
          return Effect.as(watch.answered(response), [{ _tag: "Finish" as const, response }])
        })
        return Effect.map(shown(first), (first = []) => ({ first, pull: next }))
      }
    })
  )
}
