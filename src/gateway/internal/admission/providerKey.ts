/** With whose key a request goes on: the client's own, one that is kept or configured, or a signature of the gateway's. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { IncomingMessage } from "node:http"
import { formsOf } from "../../../internal/http/secrets.ts"
import type * as credential from "../credential.ts"
import * as headers from "../headers.ts"
import type { Refusal } from "../refusal.ts"
import { hashOf } from "../token.ts"
import type { Upstream } from "../upstreams.ts"
import type { Known, Settings, SignNow } from "./admission.ts"
import { refuse, unavailable } from "./refuse.ts"

type Chosen =
  | { readonly _tag: "Own" }
  | { readonly _tag: "Stored"; readonly secret: string }
  | { readonly _tag: "Signed"; readonly sign: SignNow }

export const keyOf = (
  settings: Settings,
  request: IncomingMessage,
  presented: credential.Presented,
  upstream: Upstream,
  known: Known
): Effect.Effect<Chosen, Refusal> => {
  const alias = headers.ownHeader(request, "x-majordomo-provider-alias")
  const [own] = presented.credentials
  if (alias !== undefined || own === undefined) return kept(settings, upstream, known, alias)
  known.credentialHash = hashOf(own).slice(0, 16)
  return Effect.succeed(clients)
}

const clients: Chosen = { _tag: "Own" }

/** One that the gateway has itself. */
const kept = (
  settings: Settings,
  upstream: Upstream,
  known: Known,
  alias: string | undefined
): Effect.Effect<Chosen, Refusal> =>
  Effect.gen(function*() {
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
        return clients
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
