/**
 * Bodies in a directory: `{prefix}/{requestId}/request.json` and `response.json`. A file is there in full or not at all.
 *
 * The key in a row is the file's path below the directory, so that it is found without this program: with `shard` it has
 * the day or the hour of the call in front of the id, with `gzip` it ends in `.gz`.
 *
 * @since 0.1.0
 */
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { gunzip, gzip } from "node:zlib"
import { uuidv7 } from "../internal/call/uuid.ts"
import { type Bodies, BodyStore, BodyStoreError, type Keys, keysOf, type Service } from "./BodyStore.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Made when it is not there, for this user alone; so are the folders in it. */
  readonly directory: string
  /** Folders below it: `"llm/bodies"`. Default: none. */
  readonly prefix?: string | undefined
  /**
   * One more folder, by the time in the id (UTC): `"day"` gives `2026-11-21/{requestId}`, `"hour"` `2026-11-21/14/{requestId}`.
   * For many calls: no folder gets too large, and old days are deleted as a whole. Default `"none"`.
   */
  readonly shard?: "none" | "day" | "hour" | undefined
  /** With `shard`: folders of days that ended before this time are removed every hour, one by one. Default: never. */
  readonly retention?: Duration.DurationInput | undefined
  /** Compress. Default false. */
  readonly gzip?: boolean | undefined
  /** Wait until a file is on the disk itself. Default false. */
  readonly fsync?: boolean | undefined
}

const failed = (description: string) => new BodyStoreError({ store: "file", description })

const make = (
  options: Options
): Effect.Effect<Service, BodyStoreError, FileSystem.FileSystem | Path.Path | Scope.Scope> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const directory = path.resolve(options.directory)
    const prefix = (options.prefix ?? "").split("/").filter((name) => name !== "")
    const unsafe = prefix.find((name) => !isName(name))
    if (unsafe !== undefined) return yield* failed(`"${unsafe}" in the prefix cannot be the name of a folder`)

    const shard = options.shard ?? "none"
    const ending = options.gzip === true ? ".gz" : ""
    const keysIn = (bodies: Bodies): Keys =>
      keysWith(ending, keysOf(bodies, [...prefix, ...shardsOf(bodies.requestId, shard)].join("/")))

    const made = (folder: string) => fs.makeDirectory(folder, { recursive: true, mode: 0o700 })

    const save = (key: string, text: string): Effect.Effect<void, PlatformError | BodyStoreError> =>
      Effect.gen(function*() {
        const bytes = options.gzip === true ? yield* compressed(text) : encoder.encode(text)
        const target = path.join(directory, ...key.split("/"))
        const unfinished = `${target}.${uuidv7(yield* Clock.currentTimeMillis)}.tmp`
        yield* Effect.scoped(Effect.gen(function*() {
          const file = yield* fs.open(unfinished, { flag: "wx", mode: 0o600 })
          yield* file.writeAll(bytes)
          if (options.fsync === true) yield* file.sync
        })).pipe(
          Effect.zipRight(fs.rename(unfinished, target)),
          Effect.onExit((exit) =>
            exit._tag === "Success" ? Effect.void : Effect.ignore(fs.remove(unfinished, { force: true }))
          )
        )
      })

    yield* Effect.mapError(made(directory), toError)
    if (options.retention !== undefined) {
      if (options.shard === undefined || options.shard === "none") {
        return yield* failed("retention needs shard: folders are removed by their day")
      }
      const age = Duration.toMillis(options.retention)
      const folder = path.join(directory, ...prefix)
      const swept = Effect.gen(function*() {
        const before = new Date((yield* Clock.currentTimeMillis) - age).toISOString().slice(0, 10)
        const days = yield* Effect.catchIf(fs.readDirectory(folder), isMissing, () => Effect.succeed([]))
        for (const day of days) {
          if (isDay.test(day) && day < before) {
            yield* fs.remove(path.join(folder, day), { recursive: true, force: true })
          }
        }
      })
      yield* Effect.forkScoped(Effect.repeat(
        Effect.catchAll(swept, ({ message }) => Effect.logWarning(`old bodies are still there: ${message}`)),
        Schedule.spaced("1 hour")
      ))
    }
    return {
      keysOf: (requestId) => keysIn({ requestId, request: "", response: "" }),
      remove: (key) =>
        Effect.suspend(() => {
          const names = key.split("/")
          if (!names.every(isName)) return Effect.void
          const file = path.join(directory, ...names)
          return fs.remove(file, { force: true }).pipe(
            // The folder of a call that has nothing more in it.
            Effect.zipRight(Effect.flatMap(
              Effect.orElseSucceed(fs.readDirectory(path.dirname(file)), () => ["unknown"]),
              (left) =>
                left.length === 0 ? Effect.ignore(fs.remove(path.dirname(file), { recursive: true })) : Effect.void
            )),
            Effect.catchIf(isMissing, () => Effect.void),
            Effect.mapError(toError)
          )
        }),
      put: (bodies) =>
        Effect.suspend(() => {
          const { requestId } = bodies
          if (!isName(requestId)) return Effect.fail(failed("this id of a call cannot be the name of a folder"))
          const keys = keysIn(bodies)
          const { requestKey, responseKey } = keys
          return made(path.dirname(path.join(directory, ...requestKey.split("/")))).pipe(
            Effect.zipRight(save(requestKey, bodies.request)),
            Effect.zipRight(
              bodies.response === undefined || responseKey === undefined
                ? Effect.void
                : save(responseKey, bodies.response)
            ),
            Effect.as(keys),
            Effect.mapError(toError)
          )
        }),
      get: (key) =>
        Effect.suspend(() => {
          const names = key.split("/")
          if (!names.every(isName)) return Effect.succeedNone
          return fs.readFile(path.join(directory, ...names)).pipe(
            Effect.flatMap((bytes) =>
              key.endsWith(".gz") ? expanded(bytes) : Effect.succeed(new TextDecoder().decode(bytes))
            ),
            Effect.asSome,
            Effect.catchIf(isMissing, () => Effect.succeedNone),
            Effect.mapError(toError)
          )
        })
    }
  })

const isDay = /^\d{4}-\d\d-\d\d$/

const encoder = new TextEncoder()

/** Windows keeps these names for devices, whatever comes after a dot. */
const devices = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i

/** One folder or file, on every system: no way up, no separator, no device. */
const isName = (text: string): boolean =>
  /^[a-z0-9_][a-z0-9_.-]{0,199}$/i.test(text) && !text.endsWith(".") && !devices.test(text)

/** A UUIDv7 begins with its time; other ids have a folder of their own. */
const shardsOf = (requestId: string, shard: "none" | "day" | "hour"): ReadonlyArray<string> => {
  if (shard === "none") return []
  const time = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/i.exec(requestId)
  if (time === null) return ["other"]
  const at = new Date(Number.parseInt(`${time[1]}${time[2]}`, 16)).toISOString()
  return shard === "day" ? [at.slice(0, 10)] : [at.slice(0, 10), at.slice(11, 13)]
}

const keysWith = (ending: string, { requestKey, responseKey }: Keys): Keys => ({
  requestKey: `${requestKey}${ending}`,
  responseKey: responseKey === undefined ? undefined : `${responseKey}${ending}`
})

const isMissing = (error: PlatformError | BodyStoreError): boolean =>
  error._tag === "SystemError" && error.reason === "NotFound"

const toError = (error: PlatformError | BodyStoreError): BodyStoreError =>
  error._tag === "BodyStoreError" ? error : failed(error.message)

const compressed = (text: string) =>
  Effect.async<Uint8Array, BodyStoreError>((resume) =>
    gzip(text, (error, bytes) => resume(error === null ? Effect.succeed(bytes) : Effect.fail(failed(error.message))))
  )

const expanded = (bytes: Uint8Array) =>
  Effect.async<string, BodyStoreError>((resume) =>
    gunzip(bytes, (error, text) =>
      resume(
        error === null ? Effect.succeed(text.toString()) : Effect.fail(failed(`a file is damaged: ${error.message}`))
      ))
  )

/**
 * The store. The directory is made when the layer is built, which fails when it cannot be.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import * as FileBodyStore from "effect-majordomo/logging/FileBodyStore"
 * import { NodeContext } from "@effect/platform-node"
 * import { Layer } from "effect"
 *
 * const bodies = FileBodyStore.layer({ directory: "request_logs", shard: "day", gzip: true }).pipe(
 *   Layer.provide(NodeContext.layer)
 * )
 * ```
 */
export const layer = (
  options: Options
): Layer.Layer<BodyStore, BodyStoreError, FileSystem.FileSystem | Path.Path> => Layer.scoped(BodyStore, make(options))
