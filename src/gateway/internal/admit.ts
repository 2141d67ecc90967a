/**
 * The one gate: who asks, for what, whether they may, and with whose key it goes on. Nothing is sent to a provider that has
 * not come through `admit`.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { IncomingMessage } from "node:http"
import type { Readable } from "node:stream"
import { formsOf } from "../../internal/http/secrets.ts"
import type { Service } from "../../LLM.ts"
import type { Sign } from "../../providers/internal/signing.ts"
import type { ApiKey, Service as ApiKeys } from "../ApiKeys.ts"
import type { Service as ProviderKeys } from "../ProviderKeys.ts"
import * as bodies from "./body.ts"
import * as credential from "./credential.ts"
import * as headers from "./headers.ts"
import * as includeUsage from "./includeUsage.ts"
import type { Lease } from "./limits/charge.ts"
import * as listing from "./listing.ts"
import { redactsPrompts } from "./models/alias.ts"
import { type Keyed, type Members, type Names, unknownName } from "./models/names.ts"
import { matches } from "./pattern.ts"
import type { Refusal } from "./refusal.ts"
import * as scanning from "./scan.ts"
import type { ServedWire } from "./served.ts"
import * as targets from "./target.ts"
import { hashOf } from "./token.ts"
import type { Upstream } from "./upstreams.ts"

export interface Settings {
  readonly upstreams: ReadonlyMap<string, Upstream>
  readonly apiKeys: Pick<ApiKeys, "verify">
  readonly providerKeys: Pick<ProviderKeys, "get">
  readonly isKeyRequired: boolean
  readonly includesUsage: boolean
  readonly forwardsTraces: boolean
  readonly maxBodyBytes: number
  /** Of a request's body, ms. */
  readonly bodyIdle: number
  /** Signs requests to Bedrock with the gateway's own AWS keys; none where it has none. */
  readonly sign: ((upstream: Upstream) => Effect.Effect<SignNow | undefined>) | undefined
  /** Names that an LLM answers to, in whatever protocol its client speaks. */
  readonly names: Names
}

export type SignNow = (
  request: Parameters<Sign>[0],
  at: number
) => Effect.Effect<Readonly<Record<string, string>>, unknown>

/** What is known of a request so far: its row has it, however far the request came. */
export interface Known {
  dialect: targets.Dialect
  target: targets.Target | undefined
  key: ApiKey | undefined
  model: string | undefined
  streams: boolean
  /** The provider's key that is used. */
  credentialHash: string | undefined
  credentialAlias: string | undefined
  /** Texts that must not be told. */
  secrets: ReadonlyArray<string>
  bytesIn: number | undefined
  body: Buffer | undefined
  /** The body has what hooks keep from the model: it is not stored. */
  isWithheld: boolean
  /** What it holds of limits. */
  lease: Lease | undefined
  /** Who answers instead of what was asked for, and the spent budget that says so. */
  degraded: { readonly name: string; readonly rule: string; readonly from: string | undefined } | undefined
}

/** A request that may go on. */
export type Admitted = Passed | Unified | Listed

/** One that is answered by an LLM. */
export interface Unified {
  readonly _tag: "Unified"
  readonly wire: ServedWire
  readonly body: Buffer
  readonly llm: Service
  /** One provider answers, or none. */
  readonly isSingle: boolean
}

/** One for what can be asked for. */
export interface Listed {
  readonly _tag: "Listed"
  readonly wanted: listing.Wanted
  readonly offered: ReadonlyArray<listing.Offered>
}

/** One that is passed on, as it goes on. */
export interface Passed {
  readonly _tag: "Passed"
  readonly target: targets.Target
  readonly path: string
  readonly headers: Array<string>
  readonly body: Buffer | Readable | undefined
  /** The gateway has asked for the usage; the client has not. */
  readonly withoutUsage: boolean
}

const refuse = (refusal: Refusal): Effect.Effect<never, Refusal> => Effect.fail(refusal)

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
      provider: headers.ownHeader(request, "provider"),
      isAnthropic: request.headers["anthropic-version"] !== undefined
    }, settings.upstreams)
    const presented = credential.read(request, found._tag === "Target" ? found.target.query : "")
    known.secrets = credential.secretsOf(request, presented)
    if (found._tag === "Refused") {
      known.dialect = found.dialect
      yield* identify(settings, presented, known)
      return yield* refuse({
        status: found.status,
        code: found.status === 404 ? "not_found" : "invalid_request",
        message: found.message
      })
    }
    const { target } = found
    known.target = target
    known.dialect = target.dialect
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

const unavailable = (message: string): Refusal => ({
  status: 503,
  code: "gateway_unavailable",
  message,
  headers: { "retry-after": "5" }
})

// ── who ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

const identify = (
  settings: Settings,
  presented: credential.Presented,
  known: Known
): Effect.Effect<ApiKey | undefined, Refusal> => {
  const { key } = presented
  if (key === undefined) {
    return settings.isKeyRequired
      ? refuse({
        status: 401,
        code: "invalid_api_key",
        message: "no key of this gateway: send it in the header X-Majordomo-Key, or as the client's API key (mdm_sk_…)"
      })
      : Effect.succeed(undefined)
  }
  return Effect.matchEffect(settings.apiKeys.verify(key), {
    onFailure: () =>
      refuse(unavailable("the gateway cannot reach its database, and this key is not one that it has seen; try again")),
    onSuccess: (found) => {
      if (Option.isSome(found)) {
        known.key = found.value
        return Effect.succeed(found.value)
      }
      return refuse({
        status: 401,
        code: "invalid_api_key",
        message: "the key in X-Majordomo-Key is not known to this gateway, or is revoked or expired; "
          + "majordomo keys create makes one"
      })
    }
  })
}

// ── may it ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const mayCall = (key: ApiKey | undefined, { name, provider }: Upstream): Effect.Effect<void, Refusal> => {
  if (key === undefined || key.providers === null) return Effect.void
  if (key.providers.includes(name) || key.providers.includes(provider)) return Effect.void
  return refuse({
    status: 403,
    code: "permission_denied",
    message: `this key may not call ${name}; it may call ${key.providers.join(", ")}`
  })
}

export const mayAsk = (
  key: ApiKey | undefined,
  { provider }: Upstream,
  model: string | undefined,
  method: string
): Effect.Effect<void, Refusal> => {
  if (key === undefined || key.models === null) return Effect.void
  const { models } = key
  const denied = (message: string) =>
    refuse({ status: 403, code: "permission_denied", message: `${message}; it may ask for ${models.join(", ")}` })
  if (model === undefined) {
    return method === "GET" || method === "HEAD"
      ? Effect.void
      : denied("this key may ask for some models only, and this request names none that the gateway can read")
  }
  return models.some((pattern) => matches(pattern, model) || matches(pattern, `${provider}/${model}`))
    ? Effect.void
    : denied(`this key may not ask for the model ${model.slice(0, 200)}`)
}

// ── what ────────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Read {
  readonly body: Buffer | Readable | undefined
  readonly withoutUsage: boolean
}

const lookedAt: ReadonlySet<string> = new Set(["model", "stream", "stream_options"])

const hasBody = (request: IncomingMessage): boolean =>
  request.headers["transfer-encoding"] !== undefined || Number(request.headers["content-length"] ?? 0) > 0

const bodyOf = (
  settings: Settings,
  request: IncomingMessage,
  target: targets.Target,
  known: Known
): Effect.Effect<Read, Refusal> =>
  Effect.gen(function*() {
    if (!hasBody(request)) {
      known.bytesIn = 0
      if (!target.readsBody) return { body: undefined, withoutUsage: false }
    }
    const isEncoded = (request.headers["content-encoding"] ?? "identity") !== "identity"
    // What Amazon's signature covers is the whole body.
    const signs = target.upstream.family === "bedrock"
    if ((!target.readsBody && target.wire === undefined && !signs) || isEncoded) {
      const length = Number(request.headers["content-length"] ?? Number.NaN)
      known.bytesIn = Number.isSafeInteger(length) ? length : undefined
      return { body: hasBody(request) ? request : undefined, withoutUsage: false }
    }
    const body = yield* bodies.read(request, { maxBytes: settings.maxBodyBytes, idle: settings.bodyIdle })
    known.bytesIn = body.length
    known.body = body
    if (!target.readsBody) return { body, withoutUsage: false }
    const scanned = scanning.scan(body, lookedAt)
    if (scanned._tag !== "Object") {
      return yield* refuse({ status: 400, code: "invalid_request", message: scanned.problem })
    }
    const { fields } = scanned.value
    known.model = scanning.textAt(body, fields.get("model"))
    known.streams = scanning.isTrueAt(body, fields.get("stream"))
    const asks = settings.includesUsage && known.streams && target.wire === "chat-completions" &&
      target.path.endsWith("/completions") && target.upstream.takesStreamOptions
    if (!asks) return { body, withoutUsage: false }
    const asking = includeUsage.asking(body, scanned.value)
    return { body: asking.body, withoutUsage: asking.isOurs }
  })

// ── an LLM, or the provider itself ──────────────────────────────────────────────────────────────────────────────────

type ByName =
  | Unified
  | Listed
  /** The body, where it was looked into. */
  | { readonly _tag: "Transparent"; readonly read: Read | undefined }

const byName = (
  settings: Settings,
  request: IncomingMessage,
  target: targets.Target,
  key: ApiKey | undefined,
  known: Known
): Effect.Effect<ByName, Refusal> =>
  Effect.gen(function*() {
    const { names } = settings
    const isOurs = names.isAll || headers.ownHeader(request, "provider")?.toLowerCase() === "majordomo"
    const notFound = (message: string) => refuse({ status: 404, code: "not_found", message, parameter: "model" })
    const wanted = request.method === "GET" && (names.isAll || !target.isNamed)
      ? listing.wantedOf(
        (request.url ?? "").split("?", 1)[0] ?? "",
        request.headers["x-goog-api-key"] !== undefined
      )
      : undefined
    if (wanted !== undefined && (names.list.length > 0 || isOurs)) {
      const { name } = wanted
      const offered = yield* offeredTo(key, names, name === undefined ? names.list : [name])
      if (name === undefined || offered.length > 0) {
        known.target = undefined
        return { _tag: "Listed", wanted, offered }
      }
      if (isOurs) return yield* notFound(unknownName(name, names))
    }
    const wire = servedWireOf(target, names)
    if (wire === undefined) {
      return isOurs
        ? yield* notFound("only chat/completions, responses, messages and generateContent are answered here")
        : { _tag: "Transparent", read: undefined }
    }
    const read = yield* bodyOf(settings, request, target, known)
    const route = known.model === undefined || !Buffer.isBuffer(read.body) ? undefined : names.find(known.model)
    if (route === undefined || !Buffer.isBuffer(read.body)) {
      if (!isOurs) return { _tag: "Transparent", read }
      return known.model === undefined
        ? yield* refuse({ status: 400, code: "invalid_request", message: "model is missing", parameter: "model" })
        : yield* notFound(unknownName(known.model, names))
    }
    known.target = undefined
    const body = known.body ?? read.body
    if (route._tag === "Own") {
      yield* mayName(key, known.model ?? "", [])
      return { _tag: "Unified", wire, body, llm: route.llm, isSingle: false }
    }
    return { _tag: "Unified", wire, body, ...yield* llmOf(settings, request, route, known) }
  })

/** The LLM behind a name, where this key may ask for it. */
export const llmOf = (
  settings: Settings,
  request: IncomingMessage,
  route: Members,
  known: Known
): Effect.Effect<Pick<Unified, "llm" | "isSingle">, Refusal> =>
  Effect.gen(function*() {
    yield* mayName(known.key, route.name, route.members)
    for (const { upstream } of route.members) yield* mayCall(known.key, upstream)
    const members = yield* keyed(settings, request, route, known)
    const llm = yield* Effect.mapError(
      settings.names.service(route, members, known.key?.id),
      ({ message }): Refusal => ({
        ...unavailable(`${route.name} cannot be asked: ${message}`)
      })
    )
    known.isWithheld = redactsPrompts(route.alias)
    return { llm, isSingle: members.length === 1 }
  })

/** The protocol in which an LLM may answer; undefined where the provider itself is asked for. */
export const servedWireOf = (
  { isNamed, path, wire }: targets.Target,
  { isAll }: Names
): ServedWire | undefined =>
  (isNamed && !isAll) || wire === undefined || wire === "cohere" || wire === "converse"
    // Older completions and embeddings share the wire, not the request.
    || (wire === "chat-completions" && !path.endsWith("/chat/completions"))
    ? undefined
    : wire

/** Those of the names that this key may ask for. */
const offeredTo = (
  key: ApiKey | undefined,
  { find, isAll }: Names,
  wanted: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<listing.Offered>> =>
  Effect.map(
    Effect.forEach(wanted, (name): Effect.Effect<ReadonlyArray<listing.Offered>> => {
      const route = find(name)
      if (route === undefined) return Effect.succeed([])
      if (route._tag === "Own") {
        const { llm: { model, provider } } = route
        return Effect.succeed(isAll ? [{ name: model, members: [{ provider, model }] }] : [])
      }
      const allowed = Effect.zipRight(
        mayName(key, name, route.members),
        Effect.forEach(route.members, ({ upstream }) => mayCall(key, upstream), { discard: true })
      )
      const members = route.members.map(({ model, upstream }) => ({
        provider: upstream.provider,
        model,
        prices: upstream.prices
      }))
      return Effect.match(allowed, { onFailure: () => [], onSuccess: () => [{ name, members }] })
    }),
    (found) => found.flat()
  )

/** By the name that was asked for, or by each of the models behind it. */
const mayName = (
  key: ApiKey | undefined,
  name: string,
  members: ReadonlyArray<{ readonly upstream: Upstream; readonly model: string }>
): Effect.Effect<void, Refusal> =>
  key?.models?.some((pattern) => matches(pattern, name)) === true
    ? Effect.void
    : members.length === 0
    ? key === undefined || key.models === null ? Effect.void : refuse({
      status: 403,
      code: "permission_denied",
      message: `this key may not ask for the model ${name.slice(0, 200)}; it may ask for ${key.models.join(", ")}`
    })
    : Effect.forEach(members, ({ model, upstream }) => mayAsk(key, upstream, model, "POST"), { discard: true })

/** The members whose provider's key is here: those of clients are for the provider that they ask themselves. */
const keyed = (
  settings: Settings,
  request: IncomingMessage,
  route: Members,
  known: Known
): Effect.Effect<readonly [Keyed, ...Array<Keyed>], Refusal> =>
  Effect.gen(function*() {
    const nobodys = { key: undefined, hasOwn: false, isSigned: false, query: "", credentials: [] }
    const found: Array<Keyed> = []
    let refusal: Refusal | undefined
    for (const member of route.members) {
      const chosen = yield* Effect.either(keyOf(settings, request, nobodys, member.upstream, known))
      if (Either.isLeft(chosen)) refusal ??= chosen.left
      else found.push({ ...member, secret: chosen.right._tag === "Stored" ? chosen.right.secret : undefined })
    }
    const [first, ...others] = found
    if (first !== undefined) return [first, ...others]
    return yield* refuse(refusal ?? unavailable("no provider's key is here"))
  })

// ── with whose key ──────────────────────────────────────────────────────────────────────────────────────────────────

type Chosen =
  | { readonly _tag: "Own" }
  | { readonly _tag: "Stored"; readonly secret: string }
  | { readonly _tag: "Signed"; readonly sign: SignNow }

const keyOf = (
  settings: Settings,
  request: IncomingMessage,
  presented: credential.Presented,
  upstream: Upstream,
  known: Known
): Effect.Effect<Chosen, Refusal> =>
  Effect.gen(function*() {
    const alias = headers.ownHeader(request, "provider-alias")
    const [own] = presented.credentials
    if (alias === undefined && own !== undefined) {
      known.credentialHash = hashOf(own).slice(0, 16)
      return { _tag: "Own" }
    }
    const stored = yield* Effect.catchAll(settings.providerKeys.get(upstream.provider, alias), (error) =>
      error.reason === "Locked" || upstream.key === undefined || alias !== undefined
        ? refuse(unavailable(
          error.reason === "Locked"
            ? "the gateway cannot open the provider's key that it keeps; its log says why"
            : "the gateway cannot reach its database for the provider's key; try again"
        ))
        : Effect.succeedNone)
    if (Option.isSome(stored)) {
      return use(known, stored.value.secret, stored.value.alias, stored.value.hash)
    }
    if (alias === undefined) {
      const { key } = upstream
      if (key !== undefined) {
        return use(known, key, "configuration", hashOf(Redacted.value(key)).slice(0, 16))
      }
      const sign = upstream.family === "bedrock" && settings.sign !== undefined
        ? yield* settings.sign(upstream)
        : undefined
      if (sign !== undefined) {
        return { _tag: "Signed", sign }
      }
      // Hosts that everybody runs themselves need none.
      if (upstream.isKeyless) {
        return { _tag: "Own" }
      }
    }
    return yield* refuse({
      status: 401,
      code: "invalid_api_key",
      message: alias === undefined
        ? `no key for ${upstream.name}: send your own, or let the gateway keep one: majordomo provider-keys set ${upstream.provider}`
        : `the gateway keeps no key of ${upstream.provider} under the alias ${alias.slice(0, 100)}`
    })
  })

const use = (known: Known, secret: Redacted.Redacted, alias: string, hash: string): Chosen => {
  known.credentialHash = hash
  known.credentialAlias = alias
  known.secrets = [...known.secrets, ...formsOf([Redacted.value(secret)])]
  return { _tag: "Stored", secret: Redacted.value(secret) }
}
