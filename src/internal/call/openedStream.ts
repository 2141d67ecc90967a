/** Streams by their first content: opened as an effect, which may fail over, and read on from there. */
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { LLMError } from "../../LLMError.ts"
import type { StreamPart } from "../../Response.ts"

/** Parts that came together. */
export type Parts<A> = ReadonlyArray<StreamPart<A>>

/** A stream whose first content is there. */
export interface OpenedStream<A, R> {
  readonly first: Parts<A>
  /** What comes next; undefined at the end. */
  readonly pull: Effect.Effect<Parts<A> | undefined, LLMError, R>
}

/** A stream of what is opened. The scope closes when the stream ends, fails or is no longer read. */
export const toStream = <A, R>(
  open: (scope: Scope.CloseableScope) => Effect.Effect<OpenedStream<A, R>, LLMError, R>
): Stream.Stream<StreamPart<A>, LLMError, R> =>
  Stream.fromChannel(Channel.unwrap(Effect.map(Scope.make(), (scope) => {
    const parts = Channel.unwrap(Effect.map(open(scope), partsOf))
    return Channel.ensuringWith(parts, (exit) => Scope.close(scope, exit))
  })))

const partsOf = <A, R>({ first, pull }: OpenedStream<A, R>) => {
  type Loop = Channel.Channel<Chunk.Chunk<StreamPart<A>>, unknown, LLMError, unknown, unknown, unknown, R>
  const write = (parts: Parts<A> | undefined): Loop =>
    parts === undefined ? Channel.void : Channel.flatMap(Channel.write(Chunk.unsafeFromArray(parts)), () => loop)
  const loop: Loop = Channel.flatMap(Channel.fromEffect(pull), write)
  return write(first)
}

/** Reads a stream up to its first content; undefined when it ends without any. */
export const fromStream = <A, R>(
  stream: Stream.Stream<StreamPart<A>, LLMError, R>,
  scope: Scope.Scope
): Effect.Effect<OpenedStream<A, R> | undefined, LLMError, R> =>
  Effect.flatMap(Channel.toPullIn(Stream.toChannel(stream), scope), (pulled) => {
    const pull = Effect.map(pulled, (next) => Either.isRight(next) ? Chunk.toReadonlyArray(next.right) : undefined)
    const opened: Effect.Effect<OpenedStream<A, R> | undefined, LLMError, R> = Effect.flatMap(
      pull,
      (first) => first?.length === 0 ? opened : Effect.succeed(first === undefined ? undefined : { first, pull })
    )
    return opened
  })
