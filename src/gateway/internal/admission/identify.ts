/** Who asks: the gateway's key that a request has with it. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { ApiKey } from "../../ApiKeys.ts"
import type * as credential from "../credential.ts"
import type { Refusal } from "../refusal.ts"
import type { Known, Settings } from "./admission.ts"
import { refuse, unavailable } from "./refuse.ts"

export const identify = (
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
