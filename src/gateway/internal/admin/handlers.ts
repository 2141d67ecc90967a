/** What the endpoints of `Admin` do. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { amountToString } from "../../../Cost.ts"
import type { ConfigurationError } from "../../../LLMError.ts"
import { BodyStoreError } from "../../../logging/BodyStore.ts"
import * as CostReport from "../../../logging/CostReport.ts"
import { dimensionOf } from "../../../logging/internal/dimension.ts"
import * as Logging from "../../../logging/Logging.ts"
import * as LogReader from "../../../logging/LogReader.ts"
import * as SqlRequestLog from "../../../logging/SqlRequestLog.ts"
import { toHeaderCase } from "../../../Metadata.ts"
import * as Admin from "../../Admin.ts"
import * as AdminTokens from "../../AdminTokens.ts"
import * as ApiKeys from "../../ApiKeys.ts"
import type { Settings } from "../../GatewayConfig.ts"
import * as ProviderKeys from "../../ProviderKeys.ts"
import type { Labels } from "../labels.ts"
import { rulesOfKey } from "../limits/gate.ts"
import type { Limiter, Usage } from "../limits/limiter.ts"
import * as money from "../limits/money.ts"
import type { Live } from "../settings/live.ts"
import { hashOf } from "../token.ts"
import * as audit from "./audit.ts"

// ── who ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

const ranks: Readonly<Record<AdminTokens.Role, number>> = { read: 0, keys: 1, admin: 2 }

const access = (needed: AdminTokens.Role) =>
  Effect.map(AdminTokens.AdminTokens, ({ verify }) => ({
    token: (given: Redacted.Redacted) =>
      Effect.gen(function*() {
        const token = yield* Effect.mapError(verify(Redacted.value(given)), unavailable)
        if (Option.isNone(token)) {
          return yield* new Admin.Unauthorized({
            message: "an administrator's token is missing or not valid: Authorization: Bearer mdm_at_…"
          })
        }
        const { role } = token.value
        if (ranks[role] >= ranks[needed]) return token.value
        return yield* new Admin.Forbidden({ message: `this needs the role ${needed}; the token has the role ${role}` })
      })
  }))

const accesses = Layer.mergeAll(
  Layer.effect(Admin.MayRead, access("read")),
  Layer.effect(Admin.MayKeys, access("keys")),
  Layer.effect(Admin.MayAll, access("admin"))
)

// ── errors ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const unavailable = (): Admin.Unavailable =>
  new Admin.Unavailable({ message: "the gateway cannot reach its database; try again" })

type Ours = Admin.NotFound | Admin.Unavailable | Admin.Invalid | Admin.Conflict

const isOurs = (error: unknown): error is Ours =>
  error instanceof Admin.NotFound || error instanceof Admin.Unavailable || error instanceof Admin.Invalid ||
  error instanceof Admin.Conflict

/** What a database says is no matter of who asks. */
const guarded = <A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, Extract<E, Ours> | Admin.Unavailable, R> =>
  // A connection that fails in the middle is a defect of some drivers.
  Effect.mapError(Effect.catchAllDefect(effect, unavailable), (error) =>
    isOurs(error)
      // Of the two, what E does not have does not come.
      ? error as Extract<E, Ours> | Admin.Unavailable
      : error instanceof ProviderKeys.ProviderKeyError || error instanceof BodyStoreError
      ? new Admin.Unavailable({ message: error.message })
      : unavailable())

const invalid = ({ description }: ConfigurationError) => new Admin.Invalid({ message: description })

const notFound = (message: string) => Effect.fail(new Admin.NotFound({ message }))

// ── look ────────────────────────────────────────────────────────────────────────────────────────────────────────────

const lastTime = 8.64e15

const limitOf = ({ dimension, key, limit, rule, scopes, window }: Usage) => {
  const amount = (value: bigint) => dimension === "usd" ? money.toDecimal(value) : String(value)
  return {
    name: rule.name,
    key: key ?? null,
    by: rule.by ?? "all",
    mode: rule.mode ?? "enforce" as const,
    kind: dimension,
    limit: amount(limit),
    resetsAt: window.ends > lastTime ? null : window.ends,
    scopes: scopes.map(({ scope, used }) => ({ scope, used: amount(used) }))
  }
}

const versionOf = (live: Live, version: number) =>
  Effect.flatMap(
    live.versions.find(version),
    Option.match({
      onNone: () => notFound(`there is no version ${version} of the settings`),
      onSome: (found) => Effect.succeed(found)
    })
  )

const labelsOf = (text: string | undefined): Record<string, string> | undefined =>
  text === undefined ? undefined : Object.fromEntries(
    text.split(",").filter((pair) => pair.includes("=")).map((pair) => {
      const at = pair.indexOf("=")
      return [pair.slice(0, at).trim(), pair.slice(at + 1).trim()]
    })
  )

const dimensionsOf = (by: string | undefined): ReadonlyArray<CostReport.Dimension> =>
  (by ?? "").split(",").map((name) => name.trim()).filter((name) => name !== "").slice(0, 4).map(dimensionOf)

const look = (limiter: Limiter, live: Live) =>
  HttpApiBuilder.group(Admin.Api, "look", (handlers) =>
    Effect.gen(function*() {
      const apiKeys = yield* ApiKeys.ApiKeys
      const providerKeys = yield* ProviderKeys.ProviderKeys
      const reader = yield* LogReader.LogReader
      const changes = yield* audit.make
      return handlers
        .handle("keys", () => guarded(apiKeys.list))
        .handle("providerKeys", () => guarded(providerKeys.list))
        .handle("limits", () =>
          guarded(Effect.map(
            Effect.flatMap(
              apiKeys.list,
              (keys) => limiter.usage(keys.filter(({ revokedAt }) => revokedAt === null).flatMap(rulesOfKey))
            ),
            (all) => all.map(limitOf)
          )))
        .handle("requests", ({ urlParams: { after, key, labels, limit, ...filter } }) =>
          guarded(Effect.map(
            reader.page({ ...filter, majordomoApiKeyId: key, labels: labelsOf(labels) }, { limit, after }),
            ({ next, rows }) => ({ rows, next: Option.getOrNull(next) })
          )))
        .handle("request", ({ path: { id } }) =>
          guarded(Effect.flatMap(
            reader.find(id),
            Option.match({
              onNone: () => notFound(`there is no request ${id}`),
              onSome: ({ attempts, entry }) => Effect.succeed({ entry, attempts })
            })
          )))
        .handle("costs", ({ urlParams: { by, labels, ...filter } }) =>
          guarded(
            CostReport.totals({ ...filter, labels: labelsOf(labels), by: dimensionsOf(by) }).pipe(
              Effect.provideService(SqlClient.SqlClient, reader.client),
              Effect.map((groups) => groups.map(({ cost, ...group }) => ({ ...group, costUsd: amountToString(cost) })))
            )
          ))
        .handle("changes", ({ urlParams: { after, limit = 50 } }) =>
          guarded(Effect.map(changes.page(limit + 1, after), (found) => {
            const rows = found.slice(0, limit)
            return { rows, next: found.length > limit ? rows.at(-1)?.id ?? null : null }
          })))
        .handle("settings", () =>
          Effect.sync(() => {
            const { settings, version } = live.current()
            return { version, settings: { ...live.file, ...settings } }
          }))
        .handle("versions", ({ urlParams: { before, limit = 50 } }) =>
          guarded(live.versions.page(limit, before)))
        .handle("version", ({ path: { version } }) =>
          guarded(versionOf(live, version)))
    }))

// ── keep ────────────────────────────────────────────────────────────────────────────────────────────────────────────

const durationOf = (text: string | undefined): Duration.Duration | undefined =>
  text === undefined ? undefined : Option.getOrUndefined(Duration.decodeUnknown(text))

const keep = (live: Live) =>
  HttpApiBuilder.group(Admin.Api, "keep", (handlers) =>
    Effect.gen(function*() {
      const apiKeys = yield* ApiKeys.ApiKeys
      const providerKeys = yield* ProviderKeys.ProviderKeys
      const { changing } = yield* audit.make
      const keyOf = (id: string) =>
        Effect.flatMap(apiKeys.list, (keys) => {
          const key = keys.find((key) => key.id === id)
          return key === undefined ? notFound(`there is no key ${id}`) : Effect.succeed(key)
        })
      const storedOf = (provider: string, alias: string) =>
        Effect.map(
          providerKeys.list,
          (keys) => keys.find((key) => key.provider === provider && key.alias === alias)
        )
      const shown = ({ key, secret }: ApiKeys.Created) => ({ key, secret: Redacted.value(secret) })
      return handlers
        .handle("createKey", ({ payload: { expires, ...options } }) =>
          guarded(Effect.map(
            Effect.zipRight(
              Effect.mapError(live.checkRules(options.limits ?? []), invalid),
              changing(
                apiKeys.create({ ...options, expires: durationOf(expires) }),
                ({ key }) => ({ what: "key.create", subject: key.id, after: key })
              )
            ),
            shown
          )))
        .handle("changeKey", ({ path: { id }, payload }) =>
          guarded(Effect.gen(function*() {
            yield* Effect.mapError(live.checkRules(payload.limits ?? []), invalid)
            const before = yield* keyOf(id)
            return yield* changing(
              apiKeys.change(id, payload),
              (after) => ({ what: "key.change", subject: id, before, after })
            )
          })))
        .handle("revokeKey", ({ path: { id } }) =>
          guarded(
            Effect.flatMap(keyOf(id), (before) =>
              changing(apiKeys.revoke(id), (after) => ({ what: "key.revoke", subject: id, before, after })))
          ))
        .handle("rotateKey", ({ path: { id }, payload }) =>
          guarded(Effect.flatMap(keyOf(id), (before) =>
            Effect.map(
              changing(
                apiKeys.rotate(id, { overlap: durationOf(payload.overlap) }),
                ({ key }) => ({ what: "key.rotate", subject: id, before, after: key })
              ),
              shown
            ))))
        .handle("setProviderKey", ({ path: { alias, provider }, payload: { secret } }) =>
          guarded(Effect.flatMap(storedOf(provider, alias), (before) =>
            changing(
              providerKeys.set(provider, secret, alias),
              (after) => ({ what: "provider-key.set", subject: `${provider}/${alias}`, before, after })
            ))))
        .handle("removeProviderKey", ({ path: { alias, provider } }) =>
          guarded(Effect.gen(function*() {
            const before = yield* storedOf(provider, alias)
            if (before === undefined) {
              return yield* notFound(`there is no key of ${provider} under the alias ${alias}`)
            }
            yield* changing(
              providerKeys.remove(provider, alias),
              () => ({ what: "provider-key.remove", subject: `${provider}/${alias}`, before })
            )
          })))
    }))

const rule = (live: Live, stored: Labels["stored"]) =>
  HttpApiBuilder.group(Admin.Api, "rule", (handlers) =>
    Effect.gen(function*() {
      const tokens = yield* AdminTokens.AdminTokens
      const logging = yield* Logging.Logging
      const { changing } = yield* audit.make
      const set = (settings: Settings, expected: number | undefined, what: string) =>
        Effect.gen(function*() {
          yield* Effect.mapError(live.check(settings), invalid)
          const { name } = yield* Admin.CurrentAdmin
          const before = yield* Effect.flatMap(live.versions.last, live.versions.find)
          const added = yield* changing(
            Effect.flatMap(
              live.versions.add(settings, name, expected),
              Option.match({
                onNone: () =>
                  Effect.fail(new Admin.Conflict({ message: "the settings were changed meanwhile; look again" })),
                onSome: (added) => Effect.succeed(added)
              })
            ),
            (after) => ({
              what,
              subject: String(after.version),
              before: Option.getOrUndefined(before)?.settings,
              after: settings
            })
          )
          yield* live.refresh
          return added
        })
      return handlers
        .handle("createToken", ({ payload: { name, role } }) =>
          guarded(Effect.map(
            changing(tokens.create(name, role), () => ({ what: "token.create", subject: name, after: { name, role } })),
            (secret) => ({ name, role, secret: Redacted.value(secret) })
          )))
        .handle("tokens", () => guarded(tokens.list))
        .handle("revokeTokens", ({ path: { name } }) =>
          guarded(Effect.gen(function*() {
            const before = (yield* tokens.list).filter((token) => token.name === name && token.revokedAt === null)
            if (before.length === 0) return yield* notFound(`there is no token that is named ${name}, or it is revoked`)
            const revoked = yield* changing(tokens.revoke(name), () => ({
              what: "token.revoke",
              subject: name,
              before: { roles: before.map(({ role }) => role) }
            }))
            return { revoked }
          })))
        .handle("erase", ({ urlParams: { label, value } }) =>
          guarded(Effect.gen(function*() {
            // Those of this gateway that are on their way.
            yield* logging.flush
            const erased = yield* SqlRequestLog.erase(label, stored(toHeaderCase(label), value))
            // Whose they were is not written down again.
            const subject = `${toHeaderCase(label)} sha256:${hashOf(value).slice(0, 16)}`
            yield* changing(Effect.succeed(erased), (after) => ({ what: "rows.erase", subject, after }))
            return erased
          })))
        .handle(
          "setSettings",
          ({ payload: { expected, settings } }) => guarded(set(settings, expected, "settings.set"))
        )
        .handle("restoreSettings", ({ path: { version } }) =>
          guarded(Effect.flatMap(
            // What the file says is what is left where nothing is stored.
            version === 0 ? Effect.succeed({}) : Effect.map(versionOf(live, version), ({ settings }) => settings),
            (settings) => set(settings, undefined, "settings.restore")
          )))
    }))

export const layer = (limiter: Limiter, live: Live, stored: Labels["stored"]) =>
  HttpApiBuilder.api(Admin.Api).pipe(
    Layer.provide(Layer.mergeAll(look(limiter, live), keep(live), rule(live, stored))),
    Layer.provide(accesses)
  )
