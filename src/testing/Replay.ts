/**
 * HTTP recorded once and replayed ever after: an `HttpClient` that keeps answers in files, without keys, and gives them
 * back byte for byte. Tests run against what providers really said, offline.
 *
 * @since 0.1.0
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Path from "@effect/platform/Path"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Incoming } from "./internal/incoming.ts"
import * as recording from "./internal/recording.ts"

/**
 * `"record"` sends every request and writes its answer; `"replay"` sends nothing; `"auto"` sends what has no recording
 * yet.
 *
 * @since 0.1.0
 * @category models
 */
export type Mode = "record" | "replay" | "auto"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options<M extends Mode = Mode> {
  /** Where the files are; made when it is missing. */
  readonly directory: string
  /** Whether requests are sent, see `Mode`. */
  readonly mode: M
  /** Request headers whose values must not be stored, beside those with a key's usual names. */
  readonly secretHeaders?: ReadonlyArray<string> | undefined
}

type Response = Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>

/** The files of one directory. Equal requests are counted, so that each has an answer of its own. */
interface Tape {
  readonly replay: (
    request: HttpClientRequest.HttpClientRequest,
    described: recording.Described
  ) => Effect.Effect<Option.Option<HttpClientResponse.HttpClientResponse>, HttpClientError.RequestError>
  readonly missing: (
    request: HttpClientRequest.HttpClientRequest,
    described: recording.Described
  ) => HttpClientError.RequestError
  readonly record: (
    response: HttpClientResponse.HttpClientResponse,
    described: recording.Described
  ) => HttpClientResponse.HttpClientResponse
}

const makeTape = (directory: string): Effect.Effect<Tape, never, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const oneAtATime = (yield* Effect.makeSemaphore(1)).withPermits(1)
    const counts = new Map<string, number>()
    const next = (key: string) => (counts.get(key) ?? 0) + 1
    const fileOf = (key: string) => path.join(directory, `${key}-${next(key)}.json`)

    const replay: Tape["replay"] = (request, { key }) =>
      oneAtATime(Effect.gen(function*() {
        const file = fileOf(key)
        const broken = (cause: Error) => requestError(request, `the recording ${file} cannot be read`, cause)
        if (!(yield* Effect.mapError(fs.exists(file), broken))) return Option.none()
        const text = yield* Effect.mapError(fs.readFileString(file), broken)
        const { response } = yield* Effect.mapError(Schema.decode(recording.Text)(text), broken)
        counts.set(key, next(key))
        return Option.some(
          new Incoming({
            request,
            status: response.status,
            headers: recording.toHeaders(response.headers),
            // One chunk each, as they came.
            stream: () => Stream.rechunk(Stream.fromIterable(response.chunks.map(recording.toBytes)), 1)
          })
        )
      }))

    const write = (text: string, key: string) =>
      oneAtATime(Effect.gen(function*() {
        const file = fileOf(key)
        yield* fs.makeDirectory(directory, { recursive: true, mode: 0o700 })
        // Renamed when it is whole: a file is there or it is not.
        yield* fs.writeFileString(`${file}.part`, text, { mode: 0o600 })
        yield* fs.rename(`${file}.part`, file)
        counts.set(key, next(key))
      }))

    const record: Tape["record"] = (response, described) =>
      new Incoming({
        request: response.request,
        status: response.status,
        headers: response.headers,
        cookies: response.cookies,
        remoteAddress: response.remoteAddress,
        stream: (failure) =>
          Stream.suspend(() => {
            const chunks: Array<Uint8Array> = []
            const store = Effect.suspend(() =>
              Effect.flatMap(
                Schema.encode(recording.Text)(
                  recording.toRecording(described, { status: response.status, headers: response.headers, chunks })
                ),
                (text) => write(text, described.key)
              )
            )
            // Only an answer that came to its end is stored, and then to its end.
            return Stream.concat(
              Stream.mapChunks(response.stream, (more) => {
                for (const bytes of more) chunks.push(bytes)
                return more
              }),
              Stream.execute(Effect.uninterruptible(
                Effect.mapError(store, (error) => failure(`the recording cannot be written: ${error.message}`))
              ))
            )
          })
      })

    return {
      replay,
      record,
      missing: (request, { key }) => {
        const file = fileOf(key)
        const description = `no recording ${file} of ${request.method} ${key}; run once with mode: "record" (or "auto")`
        return requestError(request, description, new Error(description))
      }
    }
  })

const requestError = (request: HttpClientRequest.HttpClientRequest, description: string, cause: Error) =>
  new HttpClientError.RequestError({ request, reason: "Transport", description, cause })

const describe = (request: HttpClientRequest.HttpClientRequest, options: Options) =>
  Either.match(UrlParams.makeUrl(request.url, request.urlParams, request.hash), {
    onLeft: (cause) => Effect.fail(new HttpClientError.RequestError({ request, reason: "InvalidUrl", cause })),
    onRight: (url) => recording.describe(request, url, (options.secretHeaders ?? []).map((name) => name.toLowerCase()))
  })

const replaying = (tape: Tape, options: Options): HttpClient.HttpClient =>
  HttpClient.make((request) =>
    Effect.flatMap(describe(request, options), (described) =>
      Effect.flatMap(
        tape.replay(request, described),
        Option.match({ onNone: () => Effect.fail(tape.missing(request, described)), onSome: Effect.succeed })
      ))
  )

const recordingOver = (client: HttpClient.HttpClient, tape: Tape, options: Options): HttpClient.HttpClient =>
  // What is compressed can neither be read in the file nor searched for secrets.
  HttpClient.mapRequest(client, HttpClientRequest.setHeader("accept-encoding", "identity")).pipe(
    HttpClient.transform((send, request): Response =>
      Effect.flatMap(describe(request, options), (described) => {
        const live = Effect.map(send, (response) => tape.record(response, described))
        return options.mode === "record"
          ? live
          : Effect.flatMap(
            tape.replay(request, described),
            Option.match({ onNone: () => live, onSome: (response): Response => Effect.succeed(response) })
          )
      })
    )
  )

/**
 * An `HttpClient` that records another one, or replays what was recorded. A request is known by its method, path and
 * body, and by how often it came before; not by its host or its headers, so a recording of one key serves another.
 * A missing recording is a `RequestError` that names the file.
 *
 * Headers that hold keys are not stored, and their values are taken out of everything else that is. An answer is stored
 * when it was read to its end.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { OpenAIChat } from "effect-majordomo"
 * import { Replay } from "effect-majordomo/testing"
 * import { NodeContext } from "@effect/platform-node"
 * import * as UndiciHttpClient from "effect-majordomo/UndiciHttpClient"
 * import { Layer } from "effect"
 *
 * const recorded = Replay.layer({ directory: "test/recordings", mode: "auto" }).pipe(
 *   Layer.provide([UndiciHttpClient.layer, NodeContext.layer])
 * )
 * const model = OpenAIChat.layer({ model: "gpt-4.1" }).pipe(Layer.provide(recorded))
 * ```
 */
export function layer(
  options: Options<"replay">
): Layer.Layer<HttpClient.HttpClient, never, FileSystem.FileSystem | Path.Path>
export function layer(
  options: Options
): Layer.Layer<HttpClient.HttpClient, never, HttpClient.HttpClient | FileSystem.FileSystem | Path.Path>
export function layer(
  options: Options
): Layer.Layer<HttpClient.HttpClient, never, HttpClient.HttpClient | FileSystem.FileSystem | Path.Path> {
  const tape = makeTape(options.directory)
  return Layer.effect(
    HttpClient.HttpClient,
    options.mode === "replay"
      ? Effect.map(tape, (tape) => replaying(tape, options))
      : Effect.flatMap(
        HttpClient.HttpClient,
        (client) => Effect.map(tape, (tape) => recordingOver(client, tape, options))
      )
  )
}
