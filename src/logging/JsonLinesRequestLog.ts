/**
 * A sink in a file: one row per line, as JSON.
 *
 * @since 0.1.0
 */
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { RequestLog, RequestLogError, type Service } from "./RequestLog.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The file; rows are added at its end. */
  readonly path: string
  /** Wait until rows are on the disk itself. Default false. */
  readonly fsync?: boolean | undefined
}

/** Rows that come again come soon: the last ones are remembered, also from the end of a file that is there already. */
const remembered = 100_000
const tailBytes = 16 * 1024 * 1024

const lineFeed = 0x0a
const encoder = new TextEncoder()

const readId = Schema.decodeUnknownOption(Schema.parseJson(Schema.Struct({ requestId: Schema.String })))

const failed = (error: PlatformError): RequestLogError =>
  new RequestLogError({ sink: "JSON lines", reason: "Unavailable", description: error.message })

const make = (options: Options): Effect.Effect<Service, RequestLogError, FileSystem.FileSystem | Scope.Scope> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const file = yield* fs.open(options.path, { flag: "a+", mode: 0o600 })
    const found = Number((yield* file.stat).size)
    yield* file.seek(BigInt(Math.max(0, found - tailBytes)), "start")
    const tail = Option.getOrElse(yield* readAll(file, Math.min(found, tailBytes)), () => new Uint8Array())
    // Half a line is what a crash left of a row that was never reported as written.
    const whole = tail.lastIndexOf(lineFeed) + 1
    let size = found - tail.length + whole
    if (size < found) yield* file.truncate(BigInt(size))
    const seen = new Set<string>()
    for (const line of new TextDecoder().decode(tail.subarray(0, whole)).split("\n").slice(-remembered)) {
      const row = readId(line)
      if (Option.isSome(row)) seen.add(row.value.requestId)
    }
    const lock = yield* Effect.makeSemaphore(1)
    return {
      write: (batch) =>
        lock.withPermits(1)(Effect.uninterruptible(Effect.suspend(() => {
          const fresh = batch.filter(({ requestId }) => !seen.has(requestId))
          const bytes = encoder.encode(fresh.map((entry) => `${JSON.stringify(entry)}\n`).join(""))
          const written = Effect.zipRight(file.writeAll(bytes), options.fsync === true ? file.sync : Effect.void)
          if (bytes.length === 0) return Effect.void
          return Effect.mapBoth(Effect.tapError(written, () => Effect.ignore(file.truncate(BigInt(size)))), {
            onFailure: failed,
            onSuccess: () => {
              size += bytes.length
              for (const { requestId } of fresh) seen.add(requestId)
              for (const oldest of seen) {
                if (seen.size <= remembered) break
                seen.delete(oldest)
              }
            }
          })
        })))
    } satisfies Service
  }).pipe(Effect.catchTags({
    BadArgument: (error) => Effect.fail(failed(error)),
    SystemError: (error) => Effect.fail(failed(error))
  }))

const readAll = (file: FileSystem.File, bytes: number) =>
  bytes === 0 ? Effect.succeedNone : file.readAlloc(BigInt(bytes))

/**
 * Appends to the file, which is made, for this user alone, when it is not there. One process at a time may write to it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<RequestLog, RequestLogError, FileSystem.FileSystem> =>
  Layer.scoped(RequestLog, make(options))
