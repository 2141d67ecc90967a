/** `majordomo keys` and `majordomo provider-keys`: who may call the gateway, and the providers' keys that it keeps. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as ApiKeys from "../gateway/ApiKeys.ts"
import * as Gateway from "../gateway/Gateway.ts"
import * as ProviderKeys from "../gateway/ProviderKeys.ts"
import { configured } from "./gateway.ts"
import { CommandError, print, printError, printJson, Screen, UsageError } from "./screen.ts"
import { spanOf } from "./selection.ts"
import * as table from "./table.ts"

interface Stored {
  readonly config: Option.Option<string>
}

const withKeys = <A, E extends { readonly message: string }, R>(
  { config }: Stored,
  use: Effect.Effect<A, E, R>
) =>
  Effect.gen(function*() {
    const { database } = yield* configured(config)
    return yield* Effect.provide(use, Gateway.layerKeys({ database }))
  }).pipe(Effect.mapError((error): CommandError | UsageError =>
    error instanceof UsageError || error instanceof CommandError ? error : new CommandError({ message: error.message })
  ))

const listOf = (names: Option.Option<string>): ReadonlyArray<string> | undefined =>
  Option.getOrUndefined(
    Option.map(names, (text) => text.split(",").map((name) => name.trim()).filter((name) => name !== ""))
  )

const shown = (key: ApiKeys.ApiKey, secret: Redacted.Redacted) =>
  Effect.gen(function*() {
    yield* printError(`${key.id} (${key.name}); the key is shown only now:`)
    yield* print(Redacted.value(secret))
  })

export interface CreateOptions extends Stored {
  readonly name: string
  readonly owner: Option.Option<string>
  readonly expires: Option.Option<string>
  readonly providers: Option.Option<string>
  readonly models: Option.Option<string>
}

export const create = (options: CreateOptions) =>
  withKeys(
    options,
    Effect.gen(function*() {
      const { expires, models, name, owner, providers } = options
      const valid = Option.map(expires, spanOf)
      if (Option.isSome(valid) && valid.value === undefined) {
        return yield* new UsageError({ message: "--expires is how long the key is valid: 12h, 90d or 52w" })
      }
      const { create } = yield* ApiKeys.ApiKeys
      const { key, secret } = yield* create({
        name,
        owner: Option.getOrUndefined(owner),
        expires: Option.getOrUndefined(valid),
        providers: listOf(providers),
        models: listOf(models)
      })
      yield* shown(key, secret)
    })
  )

const timeOf = (millis: number | null): string =>
  millis === null ? "" : DateTime.formatIso(DateTime.unsafeMake(millis)).slice(0, 16)

const stateOf = ({ expiresAt, revokedAt }: ApiKeys.ApiKey, now: number): string =>
  revokedAt !== null ? "revoked" : expiresAt !== null && expiresAt <= now ? "expired" : "valid"

export const list = (options: Stored & { readonly json: boolean }) =>
  withKeys(
    options,
    Effect.gen(function*() {
      const keys = yield* (yield* ApiKeys.ApiKeys).list
      if (options.json) return yield* printJson(keys)
      const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
      const { isColoured } = yield* Screen
      const cells = keys.map((key) => [
        key.id,
        key.name,
        key.owner ?? "",
        stateOf(key, now),
        timeOf(key.createdAt),
        timeOf(key.expiresAt),
        key.providers?.join(",") ?? "all",
        key.models?.join(",") ?? "all"
      ])
      const titles = ["id", "name", "owner", "state", "created", "expires", "providers", "models"]
      for (const line of table.lines(titles.map((title) => ({ title })), cells, table.styleOf(isColoured))) {
        yield* print(line)
      }
    })
  )

export const revoke = (options: Stored & { readonly id: string }) =>
  withKeys(
    options,
    Effect.gen(function*() {
      const { name } = yield* (yield* ApiKeys.ApiKeys).revoke(options.id)
      yield* printError(`${options.id} (${name}) opens nothing any more, on every replica within five seconds`)
    })
  )

export const rotate = (options: Stored & { readonly id: string; readonly overlap: Option.Option<string> }) =>
  withKeys(
    options,
    Effect.gen(function*() {
      const overlap = Option.map(options.overlap, spanOf)
      if (Option.isSome(overlap) && overlap.value === undefined) {
        return yield* new UsageError({ message: "--overlap is how long the old key stays valid: 0h, 24h or 7d" })
      }
      const { key, secret } = yield* (yield* ApiKeys.ApiKeys).rotate(options.id, {
        overlap: Option.getOrUndefined(overlap)
      })
      yield* shown(key, secret)
    })
  )

// ── providers' keys ─────────────────────────────────────────────────────────────────────────────────────────────────

const alias = (given: Option.Option<string>) => Option.getOrElse(given, () => "default")

interface OfProvider extends Stored {
  readonly provider: string
  readonly alias: Option.Option<string>
}

export const setProviderKey = (options: OfProvider) =>
  withKeys(
    options,
    Effect.gen(function*() {
      const { input } = yield* Screen
      const secret = Option.map(yield* input, (text) => text.trim())
      if (Option.isNone(secret) || secret.value === "") {
        return yield* new UsageError({
          message: `the key is read from stdin: majordomo provider-keys set ${options.provider} < key.txt`
        })
      }
      const { hash, provider } = yield* (yield* ProviderKeys.ProviderKeys).set(
        options.provider,
        Redacted.make(secret.value),
        alias(options.alias)
      )
      yield* printError(`the key of ${provider} (${alias(options.alias)}) is sealed and kept; in rows it is ${hash}`)
    })
  )

export const listProviderKeys = (options: Stored & { readonly json: boolean }) =>
  withKeys(
    options,
    Effect.gen(function*() {
      const keys = yield* (yield* ProviderKeys.ProviderKeys).list
      if (options.json) return yield* printJson(keys)
      const { isColoured } = yield* Screen
      const cells = keys.map((key) => [key.provider, key.alias, key.hash, timeOf(key.updatedAt)])
      const titles = ["provider", "alias", "hash", "since"]
      for (
        const line of table.lines(titles.map((title) => ({ title })), cells, table.styleOf(isColoured))
      ) yield* print(line)
    })
  )

export const removeProviderKey = (options: OfProvider) =>
  withKeys(
    options,
    Effect.gen(function*() {
      const was = yield* (yield* ProviderKeys.ProviderKeys).remove(options.provider, alias(options.alias))
      yield* was
        ? printError(`the key of ${options.provider} (${alias(options.alias)}) is gone`)
        : new CommandError({ message: `no key of ${options.provider} is kept under ${alias(options.alias)}` })
    })
  )

export const resealProviderKeys = (options: Stored) =>
  withKeys(
    options,
    Effect.gen(function*() {
      const count = yield* (yield* ProviderKeys.ProviderKeys).reseal
      yield* printError(`${count} keys are sealed anew under the first key of MAJORDOMO_ENCRYPTION_KEY`)
    })
  )
