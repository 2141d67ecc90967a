/** Whether a key may call a provider, and ask for a model or a name of models. */
import * as Effect from "effect/Effect"
import type { ApiKey } from "../../ApiKeys.ts"
import { matches } from "../pattern.ts"
import type { Refusal } from "../refusal.ts"
import type { Upstream } from "../upstreams.ts"
import { refuse } from "./refuse.ts"

export const mayCall = (key: ApiKey | undefined, { name, provider }: Upstream): Effect.Effect<void, Refusal> => {
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

/** By the name that was asked for, or by each of the models behind it. */
export const mayName = (
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
