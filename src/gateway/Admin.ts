/**
 * What administrators may see and do, as an `HttpApi`: the gateway serves it on its admin port, with a page at `/docs` and
 * its description at `/openapi.json`; programs make a typed client from the same value.
 *
 * Every endpoint needs a token of the gateway, `Authorization: Bearer mdm_at_…`, whose role allows it: `read` sees, `keys`
 * also makes and revokes keys, `admin` also makes tokens and changes settings. Every change leaves a row in the audit log.
 *
 * @since 0.1.0
 */
import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiMiddleware from "@effect/platform/HttpApiMiddleware"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as HttpApiSecurity from "@effect/platform/HttpApiSecurity"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as RequestLog from "../logging/RequestLog.ts"
import { type AdminToken, Listed, Role } from "./AdminTokens.ts"
import { ApiKey, Bodies } from "./ApiKeys.ts"
import { Settings } from "./GatewayConfig.ts"
import { Rules } from "./internal/limits/rule.ts"
import { ProviderKey } from "./ProviderKeys.ts"

// ── errors ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const message = { message: Schema.String }

/**
 * No token, or one that is not valid.
 *
 * @since 0.1.0
 * @category errors
 */
export class Unauthorized extends Schema.TaggedError<Unauthorized>("effect-majordomo/gateway/Admin/Unauthorized")(
  "Unauthorized",
  message,
  HttpApiSchema.annotations({ status: 401 })
) {}

/**
 * The token's role does not allow it.
 *
 * @since 0.1.0
 * @category errors
 */
export class Forbidden extends Schema.TaggedError<Forbidden>("effect-majordomo/gateway/Admin/Forbidden")(
  "Forbidden",
  message,
  HttpApiSchema.annotations({ status: 403 })
) {}

/**
 * @since 0.1.0
 * @category errors
 */
export class NotFound extends Schema.TaggedError<NotFound>("effect-majordomo/gateway/Admin/NotFound")(
  "NotFound",
  message,
  HttpApiSchema.annotations({ status: 404 })
) {}

/**
 * The gateway cannot do it now: its database is away, or its encryption key is missing.
 *
 * @since 0.1.0
 * @category errors
 */
export class Unavailable extends Schema.TaggedError<Unavailable>("effect-majordomo/gateway/Admin/Unavailable")(
  "Unavailable",
  message,
  HttpApiSchema.annotations({ status: 503 })
) {}

/**
 * What was sent is well formed and cannot be used: a name that is none, a provider that is not here.
 *
 * @since 0.1.0
 * @category errors
 */
export class Invalid extends Schema.TaggedError<Invalid>("effect-majordomo/gateway/Admin/Invalid")(
  "Invalid",
  message,
  HttpApiSchema.annotations({ status: 400 })
) {}

/**
 * Somebody else was faster: look again, then change.
 *
 * @since 0.1.0
 * @category errors
 */
export class Conflict extends Schema.TaggedError<Conflict>("effect-majordomo/gateway/Admin/Conflict")(
  "Conflict",
  message,
  HttpApiSchema.annotations({ status: 409 })
) {}

// ── who ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * Whose token it is.
 *
 * @since 0.1.0
 * @category services
 */
export class CurrentAdmin
  extends Context.Tag("effect-majordomo/gateway/Admin/CurrentAdmin")<CurrentAdmin, AdminToken>()
{}

const access = {
  failure: Schema.Union(Unauthorized, Forbidden, Unavailable),
  provides: CurrentAdmin,
  security: { token: HttpApiSecurity.bearer }
}

/**
 * For tokens of any role.
 *
 * @since 0.1.0
 * @category middleware
 */
export class MayRead extends HttpApiMiddleware.Tag<MayRead>()("effect-majordomo/gateway/Admin/MayRead", access) {}

/**
 * For `keys` and `admin`.
 *
 * @since 0.1.0
 * @category middleware
 */
export class MayKeys extends HttpApiMiddleware.Tag<MayKeys>()("effect-majordomo/gateway/Admin/MayKeys", access) {}

/**
 * For `admin`.
 *
 * @since 0.1.0
 * @category middleware
 */
export class MayAll extends HttpApiMiddleware.Tag<MayAll>()("effect-majordomo/gateway/Admin/MayAll", access) {}

// ── what ────────────────────────────────────────────────────────────────────────────────────────────────────────────

const Name = Schema.NonEmptyString.pipe(Schema.maxLength(200))
const Names = Schema.optional(Schema.Array(Name))
const Time = Schema.String.pipe(
  Schema.filter((text) => Option.isSome(Duration.decodeUnknown(text)) || `"${text}" is no duration such as "90 days"`)
)
const Count = Schema.NumberFromString.pipe(Schema.int(), Schema.between(1, 1000))
const Millis = Schema.NumberFromString.pipe(Schema.int())

const id = HttpApiSchema.param("id", Schema.String)
const provider = HttpApiSchema.param("provider", Name)
const alias = HttpApiSchema.param("alias", Name)

/**
 * A key with its secret, which is shown now or never.
 *
 * @since 0.1.0
 * @category schemas
 */
export const CreatedKey = Schema.Struct({ key: Schema.typeSchema(ApiKey), secret: Schema.String })

const Key = Schema.typeSchema(ApiKey)
const Stored = Schema.typeSchema(ProviderKey)

/**
 * A change that somebody made. It holds no secret.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Change = Schema.Struct({
  id: Schema.String,
  /** Ms since the epoch. */
  at: Schema.Number,
  /** The name of the token. */
  who: Schema.String,
  what: Schema.String,
  subject: Schema.String,
  before: Schema.NullOr(Schema.Unknown),
  after: Schema.NullOr(Schema.Unknown)
})

/**
 * A limit and what is used of it. Money is in decimal texts, USD.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Limit = Schema.Struct({
  name: Schema.String,
  /** The key whose own it is; none: a rule of the settings. */
  key: Schema.NullOr(Schema.String),
  by: Schema.String,
  mode: Schema.Literal("enforce", "shadow"),
  kind: Schema.Literal("requests", "tokens", "concurrent", "usd"),
  limit: Schema.String,
  /** Ms since the epoch; none: for ever. */
  resetsAt: Schema.NullOr(Schema.Number),
  scopes: Schema.Array(Schema.Struct({ scope: Schema.String, used: Schema.String }))
})

/**
 * What a group of calls came to. Money is in decimal texts, USD.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Costs = Schema.Struct({
  group: Schema.Array(Schema.NullOr(Schema.String)),
  requests: Schema.Number,
  errors: Schema.Number,
  cancelled: Schema.Number,
  unpriced: Schema.Number,
  partial: Schema.Number,
  inputTokens: Schema.Number,
  outputTokens: Schema.Number,
  costUsd: Schema.String
})

/**
 * A version of the settings. Times are ms since the epoch.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Version = Schema.Struct({
  /** 0 is the configuration file's. */
  version: Schema.Number,
  at: Schema.Number,
  /** The name of the token. */
  who: Schema.String,
  /** What stands in it; a field that is not there is the file's. */
  settings: Settings
})

const version = HttpApiSchema.param("version", Schema.NumberFromString.pipe(Schema.int(), Schema.nonNegative()))

const filter = {
  since: Schema.optional(Millis),
  until: Schema.optional(Millis),
  provider: Schema.optional(Schema.String),
  model: Schema.optional(Schema.String),
  status: Schema.optional(Schema.Literal("success", "error", "cancelled")),
  /** `feature=search`; several by commas. */
  labels: Schema.optional(Schema.String)
}

const looking = HttpApiGroup.make("look")
  .add(HttpApiEndpoint.get("keys", "/api/keys").addSuccess(Schema.Array(Key)))
  .add(HttpApiEndpoint.get("providerKeys", "/api/provider-keys").addSuccess(Schema.Array(Stored)))
  .add(HttpApiEndpoint.get("limits", "/api/limits").addSuccess(Schema.Array(Limit)))
  .add(
    HttpApiEndpoint.get("requests", "/api/requests")
      .setUrlParams(Schema.Struct({
        ...filter,
        key: Schema.optional(Schema.String),
        errorType: Schema.optional(Schema.String),
        traceId: Schema.optional(Schema.String),
        longerThan: Schema.optional(Schema.NumberFromString),
        limit: Schema.optional(Count),
        after: Schema.optional(Schema.String)
      }))
      .addSuccess(Schema.Struct({ rows: Schema.Array(RequestLog.Entry), next: Schema.NullOr(Schema.String) }))
  )
  .add(
    HttpApiEndpoint.get("request")`/api/requests/${id}`
      .addSuccess(Schema.Struct({ entry: RequestLog.Entry, attempts: Schema.Array(RequestLog.Entry) }))
      .addError(NotFound)
  )
  .add(
    HttpApiEndpoint.get("costs", "/api/costs")
      .setUrlParams(Schema.Struct({
        ...filter,
        /** Dimensions by commas: provider, model, key, status, error, hour, day, month, or a label. */
        by: Schema.optional(Schema.String),
        limit: Schema.optional(Count)
      }))
      .addSuccess(Schema.Array(Costs))
  )
  .add(
    HttpApiEndpoint.get("changes", "/api/audit")
      .setUrlParams(Schema.Struct({ limit: Schema.optional(Count), after: Schema.optional(Schema.String) }))
      .addSuccess(Schema.Struct({ rows: Schema.Array(Change), next: Schema.NullOr(Schema.String) }))
  )
  .add(
    HttpApiEndpoint.get("settings", "/api/settings")
      .addSuccess(Schema.Struct({
        /** The version that this gateway goes by. */
        version: Schema.Number,
        /** All that it goes by: the version's, and the file's where that says nothing. */
        settings: Settings
      }))
  )
  .add(
    HttpApiEndpoint.get("versions", "/api/settings/versions")
      .setUrlParams(Schema.Struct({ limit: Schema.optional(Count), before: Schema.optional(Millis) }))
      .addSuccess(Schema.Array(Version))
  )
  .add(HttpApiEndpoint.get("version")`/api/settings/versions/${version}`.addSuccess(Version).addError(NotFound))
  .addError(Unavailable)
  .middleware(MayRead)

const keeping = HttpApiGroup.make("keep")
  .add(
    HttpApiEndpoint.post("createKey", "/api/keys")
      .setPayload(Schema.Struct({
        name: Name,
        owner: Schema.optional(Name),
        expires: Schema.optional(Time),
        providers: Names,
        models: Names,
        limits: Schema.optional(Rules),
        bodies: Schema.optional(Bodies)
      }))
      .addSuccess(CreatedKey, { status: 201 })
      .addError(Invalid)
  )
  .add(
    HttpApiEndpoint.patch("changeKey")`/api/keys/${id}`
      .setPayload(Schema.Struct({
        /** All of its own. */
        limits: Schema.optional(Rules),
        bodies: Schema.optional(Schema.NullOr(Bodies))
      }))
      .addSuccess(Key)
      .addError(NotFound)
      .addError(Invalid)
  )
  .add(HttpApiEndpoint.post("revokeKey")`/api/keys/${id}/revoke`.addSuccess(Key).addError(NotFound))
  .add(
    HttpApiEndpoint.post("rotateKey")`/api/keys/${id}/rotate`
      .setPayload(Schema.Struct({ overlap: Schema.optional(Time) }))
      .addSuccess(CreatedKey)
      .addError(NotFound)
  )
  .add(
    HttpApiEndpoint.put("setProviderKey")`/api/provider-keys/${provider}/${alias}`
      .setPayload(Schema.Struct({ secret: Schema.Redacted(Schema.NonEmptyString) }))
      .addSuccess(Stored)
  )
  .add(HttpApiEndpoint.del("removeProviderKey")`/api/provider-keys/${provider}/${alias}`.addError(NotFound))
  .addError(Unavailable)
  .middleware(MayKeys)

const ruling = HttpApiGroup.make("rule")
  .add(HttpApiEndpoint.get("tokens", "/api/tokens").addSuccess(Schema.Array(Schema.typeSchema(Listed))))
  .add(
    HttpApiEndpoint.del("revokeTokens")`/api/tokens/${HttpApiSchema.param("name", Name)}`
      .addSuccess(Schema.Struct({ revoked: Schema.Number }))
      .addError(NotFound)
  )
  .add(
    HttpApiEndpoint.post("createToken", "/api/tokens")
      .setPayload(Schema.Struct({ name: Name, role: Role }))
      .addSuccess(Schema.Struct({ name: Schema.String, role: Role, secret: Schema.String }), { status: 201 })
  )
  .add(
    // All that have this label; it cannot be undone.
    HttpApiEndpoint.del("erase", "/api/rows")
      .setUrlParams(Schema.Struct({ label: Name, value: Name }))
      .addSuccess(Schema.Struct({ rows: Schema.Number, bodies: Schema.Number }))
  )
  .add(
    HttpApiEndpoint.put("setSettings", "/api/settings")
      .setPayload(Schema.Struct({
        settings: Settings,
        /** The version that is to be the last one before; where it is not, nothing is changed. */
        expected: Schema.optional(Schema.NonNegativeInt)
      }))
      .addSuccess(Version)
      .addError(Invalid)
      .addError(Conflict)
  )
  .add(
    HttpApiEndpoint.post("restoreSettings")`/api/settings/versions/${version}/restore`
      .addSuccess(Version)
      .addError(NotFound)
      .addError(Invalid)
      .addError(Conflict)
  )
  .addError(Unavailable)
  .middleware(MayAll)

/**
 * All of it.
 *
 * @since 0.1.0
 * @category api
 * @example
 * ```ts
 * import * as HttpApiClient from "@effect/platform/HttpApiClient"
 * import * as HttpClient from "@effect/platform/HttpClient"
 * import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
 * import * as Admin from "effect-majordomo/gateway/Admin"
 * import { Effect } from "effect"
 *
 * const spent = Effect.gen(function*() {
 *   const admin = yield* HttpApiClient.make(Admin.Api, {
 *     baseUrl: "http://localhost:7681",
 *     transformClient: HttpClient.mapRequest(HttpClientRequest.bearerToken("mdm_at_…"))
 *   })
 *   return yield* admin.look.costs({ urlParams: { by: "day,model" } })
 * })
 * ```
 */
export const Api = HttpApi.make("majordomo").add(looking).add(keeping).add(ruling)
  .annotate(OpenApi.Title, "effect-majordomo gateway")
  .annotate(OpenApi.Description, "Keys, limits, requests and costs of the gateway.")
