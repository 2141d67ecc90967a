/** What a request asks for, as its body says where it is one that is looked into. */
import * as Effect from "effect/Effect"
import type { IncomingMessage } from "node:http"
import type { Readable } from "node:stream"
import * as bodies from "../body.ts"
import * as includeUsage from "../includeUsage.ts"
import type { Refusal } from "../refusal.ts"
import * as scanning from "../scan.ts"
import type * as targets from "../target.ts"
import type { Known, Settings } from "./admission.ts"
import { refuse } from "./refuse.ts"

export interface Read {
  readonly body: Buffer | Readable | undefined
  readonly withoutUsage: boolean
}

const lookedAt: ReadonlySet<string> = new Set(["model", "stream", "stream_options"])

const hasBody = (request: IncomingMessage): boolean =>
  request.headers["transfer-encoding"] !== undefined || Number(request.headers["content-length"] ?? 0) > 0

const noBody: Read = { body: undefined, withoutUsage: false }

export const bodyOf = (
  settings: Settings,
  request: IncomingMessage,
  target: targets.Target,
  known: Known
): Effect.Effect<Read, Refusal> => {
  if (!hasBody(request)) {
    known.bytesIn = 0
    if (!target.readsBody) return Effect.succeed(noBody)
  }
  const isEncoded = (request.headers["content-encoding"] ?? "identity") !== "identity"
  // What Amazon's signature covers is the whole body.
  const signs = target.upstream.family === "bedrock"
  if ((!target.readsBody && target.wire === undefined && !signs) || isEncoded) {
    const length = Number(request.headers["content-length"] ?? Number.NaN)
    known.bytesIn = Number.isSafeInteger(length) ? length : undefined
    return Effect.succeed(hasBody(request) ? { body: request, withoutUsage: false } : noBody)
  }
  return Effect.flatMap(
    bodies.read(request, { maxBytes: settings.maxBodyBytes, idle: settings.bodyIdle }),
    (body) => lookedInto(settings, target, known, body)
  )
}

const lookedInto = (
  settings: Settings,
  target: targets.Target,
  known: Known,
  body: Buffer
): Effect.Effect<Read, Refusal> => {
  known.bytesIn = body.length
  known.body = body
  if (!target.readsBody) return Effect.succeed({ body, withoutUsage: false })
  const scanned = scanning.scan(body, lookedAt)
  if (scanned._tag !== "Object") {
    return refuse({ status: 400, code: "invalid_request", message: scanned.problem })
  }
  const { fields } = scanned.value
  known.model = scanning.textAt(body, fields.get("model"))
  known.streams = scanning.isTrueAt(body, fields.get("stream"))
  const asks = settings.includesUsage && known.streams && target.wire === "chat-completions" &&
    target.path.endsWith("/completions") && target.upstream.takesStreamOptions
  if (!asks) return Effect.succeed({ body, withoutUsage: false })
  const asking = includeUsage.asking(body, scanned.value)
  return Effect.succeed({ body: asking.body, withoutUsage: asking.isOurs })
}
