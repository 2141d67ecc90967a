/**
 * Who a call is for: labels for the log and for hooks, and the headers that tell a gateway the same.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

/**
 * Labels of a call: `{ feature: "search", userId: "42" }`. Keys may be in camel case or header case; both name the
 * same label.
 *
 * @since 0.1.0
 * @category models
 */
export type Metadata = Readonly<Record<string, string>>

/**
 * The labels of everything that runs inside `LLM.withMetadata`.
 *
 * @since 0.1.0
 * @category references
 */
export class Current extends Context.Reference<Current>()("effect-majordomo/Metadata/Current", {
  defaultValue: (): Metadata => ({})
}) {}

/**
 * The headers of everything that runs inside `LLM.withHeaders`.
 *
 * @since 0.1.0
 * @category references
 */
export class CurrentHeaders extends Context.Reference<CurrentHeaders>()("effect-majordomo/Metadata/CurrentHeaders", {
  defaultValue: (): Readonly<Record<string, string>> => ({})
}) {}

/**
 * A label in header case: `userId` and `user_id` become `User-Id`.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toHeaderCase = (key: string): string =>
  key.replace(/([a-z0-9])([A-Z])/g, "$1-$2").split(/[-_\s]+/).filter((word) => word !== "")
    .map((word) => word[0]?.toUpperCase() + word.slice(1).toLowerCase()).join("-")

/**
 * Where the gateway is when `MAJORDOMO_GATEWAY_URL` is not set.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaultGatewayUrl = "http://localhost:7680"

/**
 * The gateway's address, from `MAJORDOMO_GATEWAY_URL`, default `http://localhost:7680`.
 *
 * @since 0.1.0
 * @category config
 */
export const gatewayUrl: Config.Config<string> = Config.nonEmptyString("MAJORDOMO_GATEWAY_URL").pipe(
  Config.withDefault(defaultGatewayUrl)
)

/**
 * The labels as `X-Majordomo-*` headers; with a key, `X-Majordomo-Key` too. Undefined and empty labels are left out.
 * For programs outside Effect; inside, `headers` takes the key from the configuration.
 *
 * @since 0.1.0
 * @category conversions
 * @example
 * ```ts
 * import { Metadata } from "effect-majordomo"
 *
 * console.log(Metadata.buildExtraHeaders({ feature: "search", userId: "42" }))
 * // { "X-Majordomo-Feature": "search", "X-Majordomo-User-Id": "42" }
 * ```
 */
export const buildExtraHeaders = (
  labels: Readonly<Record<string, string | undefined>>,
  options?: { readonly key?: Redacted.Redacted | string | undefined }
): Record<string, string> => {
  const headers: Record<string, string> = {}
  const key = options?.key
  if (key !== undefined) headers["X-Majordomo-Key"] = typeof key === "string" ? key : Redacted.value(key)
  for (const [label, value] of Object.entries(labels)) {
    const name = toHeaderCase(label)
    if (value !== undefined && value !== "" && name !== "") headers[`X-Majordomo-${name}`] = value
  }
  return headers
}

/**
 * The labels as `X-Majordomo-*` headers, with `X-Majordomo-Key` from `MAJORDOMO_API_KEY` when that is set.
 *
 * @since 0.1.0
 * @category conversions
 */
export const headers = (
  labels: Readonly<Record<string, string | undefined>> = {}
): Effect.Effect<Record<string, string>, ConfigError.ConfigError> =>
  Config.option(Config.redacted("MAJORDOMO_API_KEY")).pipe(
    Effect.map((key) => buildExtraHeaders(labels, { key: Option.getOrUndefined(key) }))
  )
