/** A request that a spent budget sends to a cheaper model: what goes on instead of it. */
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { IncomingMessage } from "node:http"
import type { Admitted, Known, Passed, Settings } from "./admission/admission.ts"
import { llmOf, servedWireOf } from "./admission/byName.ts"
import { mayAsk } from "./admission/permissions.ts"
import { isGuarded } from "./models/alias.ts"
import type { Members } from "./models/names.ts"
import type { Refusal } from "./refusal.ts"
import * as scanning from "./scan.ts"

const modelField: ReadonlySet<string> = new Set(["model"])

/** None: the key may not ask for it, or what was asked cannot be said to it. */
export const degraded = (
  settings: Settings,
  request: IncomingMessage,
  known: Known,
  allowed: Admitted,
  name: string
): Effect.Effect<Option.Option<Admitted>> => {
  const route = settings.names.find(name)
  if (route?._tag !== "Members" || allowed._tag === "Listed") return Effect.succeedNone
  const { body } = allowed
  if (!Buffer.isBuffer(body)) return Effect.succeedNone
  const byLlm = (wire: Parameters<typeof answeredBy>[4]) =>
    Effect.option(answeredBy(settings, request, known, route, wire, known.body ?? body))
  if (allowed._tag === "Unified") return byLlm(allowed.wire)
  const renamed = withModel(allowed, body, route)
  if (renamed !== undefined) {
    const { passed, model } = renamed
    return Effect.option(Effect.map(mayAsk(known.key, passed.target.upstream, model, "POST"), () => {
      known.model = model
      return passed
    }))
  }
  const wire = servedWireOf(allowed.target, settings.names)
  return wire === undefined ? Effect.succeedNone : byLlm(wire)
}

const answeredBy = (
  settings: Settings,
  request: IncomingMessage,
  known: Known,
  route: Members,
  wire: Extract<Admitted, { _tag: "Unified" }>["wire"],
  body: Buffer
): Effect.Effect<Admitted, Refusal> =>
  Effect.map(llmOf(settings, request, route, known), (answering): Admitted => {
    known.target = undefined
    known.model = route.name
    return { _tag: "Unified", wire, body, ...answering }
  })

/**
 * The same bytes with another model of the same provider in them, for the key that the client has sent; undefined where
 * that provider has none, the body does not name it, or hooks are to see it.
 */
const withModel = (
  passed: Passed,
  body: Buffer,
  { alias, members }: Members
): { readonly passed: Passed; readonly model: string } | undefined => {
  const { target } = passed
  const member = members.find(({ upstream }) => upstream === target.upstream)
  if (member === undefined || !target.readsBody || isGuarded(alias)) return undefined
  const scanned = scanning.scan(body, modelField)
  const span = scanned._tag === "Object" ? scanned.value.fields.get("model") : undefined
  if (span === undefined) return undefined
  const named = Buffer.from(JSON.stringify(member.model))
  return {
    passed: { ...passed, body: Buffer.concat([body.subarray(0, span.start), named, body.subarray(span.end)]) },
    model: member.model
  }
}
