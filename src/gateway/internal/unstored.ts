/** A gateway that keeps nothing: the keys are those it is told, and rows are a matter of the LLM's own log. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Logging from "../../logging/Logging.ts"
import type { ApiKey, Service as ApiKeys } from "../ApiKeys.ts"
import type { Service as ProviderKeys } from "../ProviderKeys.ts"
import { hashOf } from "./token.ts"

/** Where there are none, any will do. Compared are hashes: how long that takes says nothing of a key. */
export const verifyOf = (keys: ReadonlyArray<Redacted.Redacted>): ApiKeys["verify"] => {
  const known = new Set(keys.map((key) => hashOf(Redacted.value(key))))
  return (secret) =>
    Effect.sync(() => {
      const hash = hashOf(secret)
      return known.size === 0 || known.has(hash) ? Option.some(keyOf(hash)) : Option.none()
    })
}

const keyOf = (hash: string): ApiKey => ({
  id: hash.slice(0, 16),
  name: "served",
  owner: null,
  createdAt: 0,
  expiresAt: null,
  revokedAt: null,
  providers: null,
  models: null,
  limits: null,
  bodies: null
})

export const providerKey: ProviderKeys["get"] = () => Effect.succeedNone

export const record: Logging.Service["record"] = (entry) => Effect.succeed(entry.requestId ?? "")
