/** An LLM that answers to a name, or a list of such names, or the provider itself. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { IncomingMessage } from "node:http"
import type { ApiKey } from "../../ApiKeys.ts"
import * as headers from "../headers.ts"
import * as listing from "../listing.ts"
import { redactsPrompts } from "../models/alias.ts"
import { type Keyed, type Members, type Names, unknownName } from "../models/names.ts"
import type { Refusal } from "../refusal.ts"
import type { ServedWire } from "../served.ts"
import type * as targets from "../target.ts"
import type { Known, Listed, Settings, Unified } from "./admission.ts"
import { mayCall, mayName } from "./permissions.ts"
import { keyOf } from "./providerKey.ts"
import { refuse, unavailable } from "./refuse.ts"
import { bodyOf, type Read } from "./requestBody.ts"

type ByName =
  | Unified
  | Listed
  /** The body, where it was looked into. */
  | { readonly _tag: "Transparent"; readonly read: Read | undefined }

/** What is neither looked into nor named. */
const transparent: ByName = { _tag: "Transparent", read: undefined }

const notFound = (message: string) => refuse({ status: 404, code: "not_found", message, parameter: "model" })

export const byName = (
  settings: Settings,
  request: IncomingMessage,
  target: targets.Target,
  key: ApiKey | undefined,
  known: Known
): Effect.Effect<ByName, Refusal> => {
  const { names } = settings
  const isOurs = names.isAll || headers.ownHeader(request, "x-majordomo-provider")?.toLowerCase() === "majordomo"
  const wanted = request.method === "GET" && (names.isAll || !target.isNamed)
    ? listing.wantedOf(
      (request.url ?? "").split("?", 1)[0] ?? "",
      request.headers["x-goog-api-key"] !== undefined
    )
    : undefined
  if (wanted === undefined || (names.list.length === 0 && !isOurs)) {
    return answered(settings, request, target, key, known, isOurs)
  }
  const { name } = wanted
  return Effect.flatMap(
    offeredTo(key, names, name === undefined ? names.list : [name]),
    (offered): Effect.Effect<ByName, Refusal> => {
      if (name === undefined || offered.length > 0) {
        known.target = undefined
        return Effect.succeed({ _tag: "Listed", wanted, offered })
      }
      return isOurs ? notFound(unknownName(name, names)) : answered(settings, request, target, key, known, isOurs)
    }
  )
}

const answered = (
  settings: Settings,
  request: IncomingMessage,
  target: targets.Target,
  key: ApiKey | undefined,
  known: Known,
  isOurs: boolean
): Effect.Effect<ByName, Refusal> => {
  const { names } = settings
  const wire = servedWireOf(target, names)
  if (wire === undefined) {
    return isOurs
      ? notFound("only chat/completions, responses, messages and generateContent are answered here")
      : Effect.succeed(transparent)
  }
  return Effect.flatMap(bodyOf(settings, request, target, known), (read): Effect.Effect<ByName, Refusal> => {
    const route = known.model === undefined || !Buffer.isBuffer(read.body) ? undefined : names.find(known.model)
    if (route === undefined || !Buffer.isBuffer(read.body)) {
      if (!isOurs) return Effect.succeed({ _tag: "Transparent", read })
      return known.model === undefined
        ? refuse({ status: 400, code: "invalid_request", message: "model is missing", parameter: "model" })
        : notFound(unknownName(known.model, names))
    }
    known.target = undefined
    const body = known.body ?? read.body
    if (route._tag === "Own") {
      const { llm } = route
      return Effect.as(mayName(key, known.model ?? "", []), { _tag: "Unified", wire, body, llm, isSingle: false })
    }
    return Effect.map(
      llmOf(settings, request, route, known),
      ({ isSingle, llm }) => ({ _tag: "Unified", wire, body, llm, isSingle })
    )
  })
}

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
