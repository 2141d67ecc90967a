/**
 * Streams by their first content: opened as an effect, which may fail over, and read on from there by pulls. What is
 * opened by one part of the library is opened as it is by the next, so that decorators add no channel to each part.
 */
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { LLMError } from "../../LLMError.ts"
import type { Response, StreamPart } from "../../Response.ts"

/** Parts that came together. */
export type Parts<A> = ReadonlyArray<StreamPart<A>>

/** A stream whose first content is there. */
export interface OpenedStream<A, R> {
  readonly first: Parts<A>
  /** What comes next; undefined at the end. */
  readonly pull: Effect.Effect<Parts<A> | undefined, LLMError, R>
}

/** Opens a stream in a scope, which closes it. */
export type Open<A, R> = (scope: Scope.CloseableScope) => Effect.Effect<OpenedStream<A, R>, LLMError, R>

type PartStream<A, R> = Stream.Stream<StreamPart<A>, LLMError, R>

const opener = Symbol.for("effect-majordomo/opener")

/** A stream of what is opened. The scope closes when the stream ends, fails or is no longer read. */
export const toStream = <A, R>(open: Open<A, R>): PartStream<A, R> =>
  Object.defineProperty(
    Stream.fromChannel(Channel.unwrap(Effect.map(Scope.make(), (scope) => {
      const parts = Channel.unwrap(Effect.map(open(scope), partsOf))
      return Channel.ensuringWith(parts, (exit) => Scope.close(scope, exit))
    }))),
    opener,
    { value: open }
  )

/** The stream that an effect gives. */
export const unwrap = <A, R, E extends LLMError, R2>(
  effect: Effect.Effect<PartStream<A, R>, E, R2>
): PartStream<A, R | R2> => toStream<A, R | R2>((scope) => Effect.flatMap(effect, (stream) => opened(stream, scope)))

const partsOf = <A, R>({ first, pull }: OpenedStream<A, R>) => {
  type Loop = Channel.Channel<Chunk.Chunk<StreamPart<A>>, unknown, LLMError, unknown, unknown, unknown, R>
  const write = (parts: Parts<A> | undefined): Loop =>
    parts === undefined ? Channel.void : Channel.flatMap(Channel.write(Chunk.unsafeFromArray(parts)), () => loop)
  const loop: Loop = Channel.flatMap(Channel.fromEffect(pull), write)
  return write(first)
}

/** Reads a stream up to its first content; one that ends without any has nothing in `first`. */
export const opened = <A, R>(
  stream: PartStream<A, R>,
  scope: Scope.CloseableScope
): Effect.Effect<OpenedStream<A, R>, LLMError, R> => {
  const open: unknown = Reflect.get(stream, opener)
  // It was put there with this stream's own types.
  if (typeof open === "function") return (open as Open<A, R>)(scope)
  return Effect.flatMap(Channel.toPullIn(Stream.toChannel(stream), scope), (pulled) => {
    const pull = Effect.map(pulled, (next) => Either.isRight(next) ? Chunk.toReadonlyArray(next.right) : undefined)
    const opening: Effect.Effect<OpenedStream<A, R>, LLMError, R> = Effect.flatMap(
      pull,
      (first) =>
        first?.length === 0
          ? opening
          : Effect.succeed(first === undefined ? { first: [], pull: Effect.succeed(undefined) } : { first, pull })
    )
    return opening
  })
}

/** The answer, when these parts end with it. */
export const answerIn = <A>(parts: Parts<A> | undefined): Response<A> | undefined => {
  const last = parts?.[parts.length - 1]
  return last?._tag === "Finish" ? last.response : undefined
}
