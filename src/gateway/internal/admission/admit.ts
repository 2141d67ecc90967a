/**
 * The one gate: who asks, for what, whether they may, and with whose key it goes on. Nothing is sent to a provider that has
 * not come through `admit`.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { IncomingMessage } from "node:http"
import * as credential from "../credential.ts"
import * as headers from "../headers.ts"
import type { Refusal } from "../refusal.ts"
import * as targets from "../target.ts"
import type { Admitted, Known, Settings } from "./admission.ts"
import { byName } from "./byName.ts"
import { identify } from "./identify.ts"
import { mayAsk, mayCall } from "./permissions.ts"
import { keyOf } from "./providerKey.ts"
import { refuse, unavailable } from "./refuse.ts"
import { bodyOf } from "./requestBody.ts"

export const admit = (
  settings: Settings,
  request: IncomingMessage,
  known: Known
): Effect.Effect<Admitted, Refusal> =>
  Effect.gen(function*() {
    const method = request.method ?? "GET"
    const found = targets.find({
      method,
      url: request.url ?? "",
      provider: headers.ownHeader(request, "x-majordomo-provider"),
      isAnthropic: request.headers["anthropic-version"] !== undefined
    }, settings.upstreams)
    const presented = credential.read(request, found._tag === "Target" ? found.target.query : "")
    known.secrets = credential.secretsOf(request, presented)
    known.dialect = found._tag === "Refused" ? found.dialect : found.target.dialect
    if (found._tag === "Refused") {
      yield* identify(settings, presented, known)
      return yield* refuse({
        status: found.status,
        code: found.status === 404 ? "not_found" : "invalid_request",
        message: found.message
      })
    }
    const { target } = found
    known.target = target
    known.model = target.model
    known.streams = target.streams
    const key = yield* identify(settings, presented, known)
    const named = yield* byName(settings, request, target, key, known)
    if (named._tag !== "Transparent") return named
    yield* mayCall(key, target.upstream)
    const elsewhere = credential.belongsElsewhere(presented, target.upstream)
    if (elsewhere !== undefined) {
      return yield* refuse({
        status: 400,
        code: "invalid_request",
        message: `this looks like a key of ${elsewhere}, and ${target.upstream.name} is asked: it was not sent there`
      })
    }
    const read = named.read ?? (yield* bodyOf(settings, request, target, known))
    yield* mayAsk(key, target.upstream, known.model, method)
    const chosen = yield* keyOf(settings, request, presented, target.upstream, known)
    const outgoing = headers.outgoing(request, {
      withoutCredentials: chosen._tag !== "Own",
      traces: settings.forwardsTraces,
      acceptEncoding: target.wire === undefined
    })
    if (target.wire !== undefined) outgoing.push("accept-encoding", "identity")
    if (!Buffer.isBuffer(read.body) && request.headers["content-length"] !== undefined) {
      outgoing.push("content-length", request.headers["content-length"])
    }
    const path = target.path + presented.query
    if (chosen._tag === "Stored") outgoing.push(...credential.headerOf(target.upstream.credential, chosen.secret))
    if (chosen._tag === "Signed") {
      const type = request.headers["content-type"]
      const signed = yield* chosen.sign({
        method,
        url: new URL(path, target.upstream.origin),
        headers: type === undefined ? {} : { "content-type": type },
        body: Buffer.isBuffer(read.body) ? read.body : undefined
      }, yield* Clock.currentTimeMillis).pipe(
        Effect.catchAll(() => refuse(unavailable("the request could not be signed with the gateway's AWS keys")))
      )
      for (const [name, value] of Object.entries(signed)) outgoing.push(name, value)
    }
    return { _tag: "Passed", target, path, headers: outgoing, body: read.body, withoutUsage: read.withoutUsage }
  })
