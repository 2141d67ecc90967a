/** First success: members in order, each asked only when the one before could not answer. */
import * as Chunk from "effect/Chunk"
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Options } from "../Cascade.ts"
import * as Cost from "../Cost.ts"
import { LLM, type Request, type Service } from "../LLM.ts"
import type * as LLMError from "../LLMError.ts"
import type { Attempt, Response, StreamPart } from "../Response.ts"
import * as Usage from "../Usage.ts"
import { charge, final, type Tally } from "./tally.ts"
import { anotherWaits } from "./waiting.ts"

export type NonEmpty<A> = readonly [A, ...ReadonlyArray<A>]

const failsOver = (error: LLMError.LLMError): boolean =>
  error._tag === "ProviderError" || error._tag === "ResponseParsingError"

/** What the members before the present one have taken. */
class Spent implements Tally {
  attempts: ReadonlyArray<Attempt> = []
  usage = Usage.empty
  cost = Cost.zeroUSD
  private readonly clock: Clock.Clock
  private readonly startedAt: bigint
  private readonly total: number

  constructor(clock: Clock.Clock, { timeouts }: Request<unknown, unknown>) {
    this.clock = clock
    this.startedAt = clock.unsafeCurrentTimeNanos()
    this.total = timeouts?.total === undefined ? Infinity : Duration.toMillis(timeouts.total)
  }

  private get elapsed(): Duration.Duration {
    return Duration.nanos(this.clock.unsafeCurrentTimeNanos() - this.startedAt)
  }

  /** ms until the limit of the whole call. */
  private get left(): number {
    return this.total - Duration.toMillis(this.elapsed)
  }

  get isOver(): boolean {
    return this.left <= 0
  }

  /** The request for the next member, with the time that is left. */
  remaining<A, R>(request: Request<A, R>): Request<A, R> {
    return this.attempts.length === 0 || this.total === Infinity
      ? request
      : { ...request, timeouts: { ...request.timeouts, total: Duration.millis(Math.max(1, this.left)) } }
  }

  add(error: LLMError.LLMError): void {
    this.attempts = [...this.attempts, ...error.attempts]
    charge(this, error)
  }

  response<A>(response: Response<A>): Response<A> {
    if (this.attempts.length === 0) return response
    const duration = this.elapsed
    const waited = Duration.subtract(duration, response.duration)
    return {
      ...response,
      attempts: [...this.attempts, ...response.attempts],
      usage: Usage.add(this.usage, response.usage),
      cost: Option.map(response.cost, (own) => Cost.add(this.cost, own)),
      duration,
      timeToFirstToken: Option.map(response.timeToFirstToken, (own) => Duration.sum(own, waited))
    }
  }
}

export const make = (members: NonEmpty<Service>, options: Options): Service => {
  const moves = options.failoverOn ?? failsOver
  const [first] = members
  const lastIndex = members.length - 1

  /** The next member for a failure, or what the call fails with. */
  const after = (index: number, error: LLMError.LLMError, spent: Spent): Service | undefined => {
    spent.add(error)
    return moves(error) && !spent.isOver ? members[index + 1] : undefined
  }

  const generate = <A, R>(
    member: Service,
    index: number,
    request: Request<A, R>,
    spent: Spent
  ): Effect.Effect<Response<A>, LLMError.LLMError, R> => {
    const answer = member.generate(spent.remaining(request))
    return Effect.matchEffect(index === lastIndex ? answer : Effect.mapInputContext(answer, anotherWaits<R>), {
      onSuccess: (response) => Effect.succeed(spent.response(response)),
      onFailure: (error) => {
        const next = after(index, error, spent)
        return next === undefined ? Effect.fail(final(spent, error)) : generate(next, index + 1, request, spent)
      }
    })
  }

  const stream = <A, R>(
    member: Service,
    index: number,
    request: Request<A, R>,
    spent: Spent
  ): Stream.Stream<StreamPart<A>, LLMError.LLMError, R> => {
    let committed = false
    const finished = (part: StreamPart<A>): StreamPart<A> =>
      part._tag === "Finish" ? { ...part, response: spent.response(part.response) } : part
    const parts = member.stream(spent.remaining(request))
    return (index === lastIndex ? parts : Stream.mapInputContext(parts, anotherWaits<R>)).pipe(
      Stream.mapChunks((chunk) => {
        if (Chunk.isNonEmpty(chunk)) committed = true
        return index === 0 ? chunk : Chunk.map(chunk, finished)
      }),
      Stream.catchAll((error) => {
        const next = after(index, error, spent)
        return next === undefined || committed
          ? Stream.fail(final(spent, error))
          : stream(next, index + 1, request, spent)
      })
    )
  }

  const started = <A, R>(request: Request<A, R>) =>
    Effect.clockWith((clock) => Effect.sync(() => new Spent(clock, request)))
  return {
    provider: first.provider,
    model: first.model,
    generate: (request) => Effect.flatMap(started(request), (spent) => generate(first, 0, request, spent)),
    stream: (request) => Stream.unwrap(Effect.map(started(request), (spent) => stream(first, 0, request, spent)))
  }
}

export type Member<E, R> = Layer.Layer<LLM, E, R>

/** Built one after the other. */
export const layer = <E, R>(members: NonEmpty<Member<E, R>>, options: Options = {}): Layer.Layer<LLM, E, R> => {
  const [first, ...others] = members
  return build(first, others, [], options)
}

const build = <E, R>(
  member: Member<E, R>,
  others: ReadonlyArray<Member<E, R>>,
  built: ReadonlyArray<Service>,
  options: Options
): Layer.Layer<LLM, E, R> => {
  const [next, ...rest] = others
  const goOn = (services: NonEmpty<Service>) =>
    next === undefined ? Layer.succeed(LLM, make(services, options)) : build(next, rest, services, options)
  const onSuccess = (context: Context.Context<LLM>) => {
    const service = Context.get(context, LLM)
    const [head, ...tail] = built
    return goOn(head === undefined ? [service] : [head, ...tail, service])
  }
  if (options.skipUnavailable !== true) return Layer.flatMap(member, onSuccess)
  const onFailure = (error: E): Layer.Layer<LLM, E, R> => {
    const [head, ...tail] = built
    const without = next !== undefined
      ? build(next, rest, built, options)
      : head === undefined
      ? Layer.fail(error)
      : goOn([head, ...tail])
    return Layer.unwrapEffect(Effect.as(Effect.logWarning("a member of a cascade is left out", error), without))
  }
  return Layer.match(member, { onFailure, onSuccess })
}
