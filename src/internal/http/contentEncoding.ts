/**
 * Bodies that a host compressed. Some clients decode them and leave the label on, others do not, so the first bytes say
 * whether there is anything to decode.
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { HttpFailure } from "./failure.ts"

type Bytes<E> = Stream.Stream<Uint8Array, E | HttpFailure>
type Pull<E> = Effect.Effect<Chunk.Chunk<Uint8Array>, Option.Option<E | HttpFailure>>

/** The body as its host meant it, by its `content-encoding`. */
export const decoded = <E>(body: Stream.Stream<Uint8Array, E>, header: string | undefined): Bytes<E> => {
  if (header === undefined) return body
  const names = header.toLowerCase().split(",").map((name) => name.trim())
  // Applied in order, so the last one is undone first. An unknown name changes nothing: the body then speaks for itself.
  return names.reduceRight<Bytes<E>>((bytes, name) => known.has(name) ? without(bytes, name) : bytes, body)
}

const known: ReadonlySet<string> = new Set(["gzip", "x-gzip", "deflate", "br", "zstd"])

/** Bytes that tell compressed from plain. */
const headLength = 8

const without = <E>(body: Bytes<E>, encoding: string): Bytes<E> =>
  Stream.unwrapScoped(
    Effect.gen(function*() {
      const { chunks, head, rest } = yield* begin(yield* Stream.toPull(body))
      const whole = Stream.concat(Stream.fromIterable(chunks), Stream.repeatEffectChunkOption(rest))
      if (!isCompressed(head, encoding)) return whole
      const format = formatOf(head, encoding)
      return format === undefined || typeof DecompressionStream === "undefined"
        ? Stream.fail(undecodable(encoding))
        : yield* inflated(whole, encoding, format)
    })
  )

const undecodable = (encoding: string) =>
  new HttpFailure(
    "encoding",
    `the answer is compressed with ${encoding}, which this runtime cannot decode; ask the host for none, ` +
      "e.g. defaultHeaders: { \"accept-encoding\": \"identity\" }"
  )

/** What comes until the first bytes can be judged, and how it goes on. */
const begin = <E>(pull: Pull<E>) =>
  Effect.gen(function*() {
    const chunks: Array<Uint8Array> = []
    const head: Array<number> = []
    while (head.length < headLength) {
      const more = yield* Effect.either(pull)
      // Comes after the bytes that came before it.
      if (Either.isLeft(more)) return { chunks, head, rest: Effect.fail(more.left) }
      for (const bytes of more.right) {
        chunks.push(bytes)
        head.push(...bytes.subarray(0, headLength - head.length))
      }
    }
    return { chunks, head, rest: pull }
  })

const isCompressed = (head: ReadonlyArray<number>, encoding: string): boolean => {
  if (head.length === 0) return false
  if (encoding === "gzip" || encoding === "x-gzip") return head[0] === 0x1f && head[1] === 0x8b
  if (encoding === "zstd") return head[0] === 0x28 && head[1] === 0xb5 && head[2] === 0x2f && head[3] === 0xfd
  return !isPlain(head)
}

/** Text, or the binary frame of an event stream. */
const isPlain = (head: ReadonlyArray<number>): boolean => {
  if (head[0] === 0 && head[1] === 0) return true
  const text = head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf ? head.slice(3) : head
  return text.every((byte) => (byte >= 0x20 && byte < 0x7f) || byte === 0x0a || byte === 0x0d || byte === 0x09)
}

const formatOf = (head: ReadonlyArray<number>, encoding: string): CompressionFormat | undefined => {
  switch (encoding) {
    case "gzip":
    case "x-gzip":
      return "gzip"
    case "deflate":
      // Its frame is one of RFC 1950; some hosts leave it out.
      return ((head[0] ?? 0) & 0x0f) === 8 && ((head[0] ?? 0) * 256 + (head[1] ?? 0)) % 31 === 0
        ? "deflate"
        : "deflate-raw"
    default:
      return undefined
  }
}

const inflated = <E>(
  body: Bytes<E>,
  encoding: string,
  format: CompressionFormat
): Effect.Effect<Bytes<E>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { readable, writable } = new DecompressionStream(format)
    const writer = writable.getWriter()
    const reader = yield* Effect.acquireRelease(
      Effect.sync((): ReadableStreamDefaultReader<Uint8Array> => readable.getReader()),
      (reader) => Effect.ignore(Effect.tryPromise(() => reader.cancel()))
    )
    let ended = false
    let failure: E | HttpFailure | undefined
    // What it refuses, the reader is told.
    const write = (bytes: Uint8Array) => Effect.ignore(Effect.tryPromise(() => writer.write(bytes.slice())))
    yield* Effect.forkScoped(
      Effect.matchEffect(Stream.runForEach(body, write), {
        onFailure: (error) => {
          failure = error
          return Effect.ignore(Effect.tryPromise(() => writer.abort()))
        },
        onSuccess: () => {
          ended = true
          return Effect.ignore(Effect.tryPromise(() => writer.close()))
        }
      })
    )
    const unreadable = () =>
      ended
        ? new HttpFailure("transport", `the connection broke while the answer was read: its ${encoding} has no end`)
        : new HttpFailure("encoding", `the answer is no ${encoding}, though its label says so`)
    const read = Effect.tryPromise({ try: () => reader.read(), catch: () => Option.some(failure ?? unreadable()) })
    return Stream.repeatEffectChunkOption(
      Effect.flatMap(read, ({ done, value }) => done ? Effect.fail(Option.none()) : Effect.succeed(Chunk.of(value)))
    )
  })
