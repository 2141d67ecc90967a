/** Requests to Bedrock that are signed with the gateway's own AWS keys, where it has some. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { credentials } from "../../providers/Bedrock.ts"
import { load, type Sign } from "../../providers/internal/signing.ts"
import type { SignNow } from "./admission/admission.ts"
import type { Upstream } from "./upstreams.ts"

/** Undefined: there are no keys in the environment, and nothing is signed. */
export const make: Effect.Effect<((upstream: Upstream) => Effect.Effect<SignNow | undefined>) | undefined> = Effect.gen(
  function*() {
    const keys = yield* Effect.option(credentials)
    if (Option.isNone(keys)) return undefined
    const signers = new Map<string, Sign>()
    return ({ region = "us-east-1" }: Upstream) =>
      Effect.gen(function*() {
        const known = signers.get(region)
        const sign = known ?? (yield* load("bedrock", { service: "bedrock", region }))
        signers.set(region, sign)
        return (request: Parameters<Sign>[0], at: number) => sign(request, keys.value, at)
      }).pipe(
        Effect.catchAll((error) => Effect.as(Effect.logWarning(error.message), undefined))
      )
  }
)
