/** First success: members in order, each asked only when the one before could not answer or is slow. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Options } from "../../Cascade.ts"
import type { Request, Service } from "../../LLM.ts"
import * as LLMError from "../../LLMError.ts"
import type { Response, StreamPart } from "../../Response.ts"
import { Account, accountOf, withAccount, withMovesOn, withoutMovingOn } from "../call/account.ts"
import * as opened from "../call/openedStream.ts"
import { withSpan } from "../call/telemetry.ts"
import { checked } from "../call/validate.ts"
import { Continuation } from "./continuation.ts"
import type { Member, Visit } from "./member.ts"
import { Progress } from "./progress.ts"
import { race } from "./race.ts"

export type NonEmpty<A> = readonly [A, ...ReadonlyArray<A>]

/** The members for a request, in the order they are asked. */
export type Order = (request: Request<unknown, unknown>) => Effect.Effect<ReadonlyArray<Member>>

/** Who answered, and what with. */
export interface Won<X> {
  readonly visit: Visit
  readonly value: X
}

interface OpenedIn<A, R> extends opened.OpenedStream<A, R> {
  readonly scope: Scope.CloseableScope
}

const noOptions = () => ({})

const failsOver = (error: LLMError.LLMError): boolean =>
  error._tag === "ProviderError" || error._tag === "ResponseParsingError"

export const make = (members: NonEmpty<Member>, order: Order, options: Options): Service => {
  const moves = options.failoverOn ?? failsOver
  const [{ service: { model, provider } }] = members

  const started = (request: Request<unknown, unknown>): Effect.Effect<Progress> =>
    Effect.flatMap(
      order(request),
      (ordered) => Effect.clockWith((clock) => Effect.sync(() => new Progress(clock, request, ordered)))
    )

  /** The first answer, of members one after the other or side by side. */
  const first = <X, R>(
    progress: Progress,
    outer: Account | undefined,
    ask: (visit: Visit) => Effect.Effect<X, LLMError.LLMError, R>,
    discard: (late: Won<X>) => Effect.Effect<void>
  ): Effect.Effect<Won<X>, LLMError.LLMError, R> => {
    const movesOn = (error: LLMError.LLMError) => {
      progress.add(error)
      return moves(error) && !progress.isOver
    }
    const failure = (last: LLMError.LLMError | undefined) =>
      last === undefined ? progress.circuitOpen : progress.final(last)
    const asked = (visit: Visit) => {
      const { model, provider } = visit.member.service
      return withSpan(
        "Cascade.member",
        () => ({ attributes: { "gen_ai.provider.name": provider, "gen_ai.request.model": model } }),
        () => watched(progress, visit, ask(visit))
      )
    }
    if (options.hedge !== undefined) {
      return Effect.tap(
        race(progress, options.hedge, { ask: asked, discard, movesOn, failure }),
        ({ visit }) => outer?.serve(visit.account?.current)
      )
    }
    const next = (last: LLMError.LLMError | undefined): Effect.Effect<Won<X>, LLMError.LLMError, R> => {
      const visit = progress.take()
      if (visit === undefined) return Effect.fail(failure(last))
      return Effect.matchEffect(asked(visit), {
        onSuccess: (value) => Effect.succeed({ visit, value }),
        onFailure: (error) => movesOn(error) ? next(error) : Effect.fail(failure(error))
      })
    }
    return Effect.suspend(() => next(undefined))
  }

  /** The request as a member gets it. */
  const requestOf = <A, R>(progress: Progress, visit: Visit, request: Request<A, R>): Request<A, R> => {
    const remaining = progress.remaining(request)
    const owned = progress.othersWait && options.memberRetries !== "each"
      ? withMovesOn(remaining, moves)
      : remaining
    if (options.hedge === undefined) return owned
    visit.account = new Account(accountOf(request), true)
    return withAccount(owned, visit.account)
  }

  const generate = <A, R>(request: Request<A, R>): Effect.Effect<Response<A>, LLMError.LLMError, R> =>
    withSpan("Cascade.generate", noOptions, () => answered(request))

  const answered = <A, R>(request: Request<A, R>): Effect.Effect<Response<A>, LLMError.LLMError, R> =>
    Effect.flatMap(started(request), (progress) =>
      Effect.map(
        first(
          progress,
          accountOf(request),
          (visit) => visit.member.service.generate(requestOf(progress, visit, request)),
          ({ value, visit }) =>
            Effect.sync(() => {
              visit.succeeded()
              progress.addSpare(value)
            })
        ),
        ({ value, visit }) => {
          visit.succeeded()
          return progress.response(value)
        }
      ))

  const openFirst = <A, R>(
    progress: Progress,
    request: Request<A, R>,
    scope: Scope.CloseableScope
  ): Effect.Effect<Won<OpenedIn<A, R>>, LLMError.LLMError, R> =>
    first(
      progress,
      accountOf(request),
      (visit) => {
        const { service } = visit.member
        return openIn(visit, service.stream(requestOf(progress, visit, request)), scope)
      },
      ({ visit }) => {
        visit.left()
        return progress.addLost(visit)
      }
    )

  const stream = <A, R>(request: Request<A, R>): Stream.Stream<StreamPart<A>, LLMError.LLMError, R> =>
    opened.toStream((scope) =>
      withSpan("Cascade.stream", noOptions, () =>
        Effect.flatMap(started(request), (progress) =>
          Effect.flatMap(
            openFirst(progress, request, scope),
            (won) => following(progress, request, won, scope)
          )))
    )

  const continues = (error: LLMError.LLMError, progress: Progress): boolean =>
    options.midStream === "continue" && moves(error) && !progress.isOver

  /** What comes after the first content: it stays with its member, unless another one may go on with the text. */
  const following = <A, R>(
    progress: Progress,
    request: Request<A, R>,
    won: Won<OpenedIn<A, R>>,
    scope: Scope.CloseableScope
  ): Effect.Effect<opened.OpenedStream<A, R>, LLMError.LLMError, R> => {
    let { value: current, visit } = won
    const text = options.midStream === "continue" ? new Continuation(request) : undefined
    const seen = (parts: opened.Parts<A>): Effect.Effect<opened.Parts<A>, LLMError.LLMError, R> => {
      const read = text === undefined ? parts : text.read(parts)
      const last = opened.answerIn(read)
      if (last === undefined) return Effect.succeed(read)
      visit.succeeded()
      const response = progress.response(last)
      const whole = text === undefined ? Effect.succeed(response) : text.whole(response)
      return Effect.map(whole, (response) => [...read.slice(0, -1), { _tag: "Finish" as const, response }])
    }
    const failed = (error: LLMError.LLMError): Effect.Effect<opened.Parts<A> | undefined, LLMError.LLMError, R> => {
      visit.failed(error, progress.now)
      progress.add(error)
      const failure = text === undefined ? error : text.failure(error)
      if (text === undefined || !text.canGoOn || !continues(error, progress)) {
        return Effect.fail(progress.final(failure))
      }
      const from = visit.member.service
      const next = openFirst(progress, withoutMovingOn(text.request()), scope)
      return Effect.matchEffect(Effect.zipRight(Scope.close(current.scope, Exit.void), next), {
        // The text so far is worth more than why nobody could go on.
        onFailure: () => Effect.fail(progress.final(failure)),
        onSuccess: (next) => {
          current = next.value
          visit = next.visit
          const seam = text.seam(from, visit.member.service, error)
          return Effect.map(seen(current.first), (parts) => [...seam, ...parts])
        }
      })
    }
    const pull = Effect.suspend(() =>
      Effect.matchEffect(current.pull, {
        onFailure: failed,
        onSuccess: (parts) => parts === undefined ? Effect.succeed(undefined) : seen(parts)
      })
    )
    const left = Scope.addFinalizer(scope, Effect.sync(() => visit.left()))
    // Nothing to add to it, and nobody who wants to know how it ends.
    if (text === undefined && visit.member.breaker === undefined && progress.ledger.attempts.length === 0) {
      return Effect.as(left, current)
    }
    return Effect.zipRight(left, Effect.map(seen(current.first), (first) => ({ first, pull })))
  }

  return checked({ provider, model, generate, stream })
}

/** Asks, and tells the member's health what came of it. An answer ends the visit only when it is whole. */
const watched = <X, R>(
  progress: Progress,
  visit: Visit,
  asking: Effect.Effect<X, LLMError.LLMError, R>
): Effect.Effect<X, LLMError.LLMError, R> =>
  Effect.onExit(
    asking,
    (exit) =>
      Effect.sync(() => {
        if (Exit.isSuccess(exit)) visit.answered(progress.now)
        else {
          const failure = Cause.failureOption(exit.cause)
          if (Option.isSome(failure)) visit.failed(failure.value, progress.now)
          else visit.left()
        }
      })
  )

/** A stream up to its first content, in a scope of its own. */
const openIn = <A, R>(
  visit: Visit,
  stream: Stream.Stream<StreamPart<A>, LLMError.LLMError, R>,
  scope: Scope.CloseableScope
): Effect.Effect<OpenedIn<A, R>, LLMError.LLMError, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Scope.fork(scope, ExecutionStrategy.sequential), (own) => {
      visit.scope = own
      const { model, provider } = visit.member.service
      const opening = Effect.flatMap(opened.opened(stream, own), (found) =>
        found.first.length === 0
          ? Effect.fail(
            new LLMError.ProviderError({
              provider,
              model,
              reason: new LLMError.Transport(),
              description: "the stream ended without an answer"
            })
          )
          : Effect.succeed({ ...found, scope: own }))
      return Effect.onExit(restore(opening), (exit) => Exit.isSuccess(exit) ? Effect.void : Scope.close(own, exit))
    })
  )
