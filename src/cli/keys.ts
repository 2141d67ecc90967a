/** `majordomo keys` and `majordomo provider-keys`: who may call the gateway, and the providers' keys that it keeps. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as ApiKeys from "../gateway/ApiKeys.ts"
import { administering, Administration, type Place } from "./administration.ts"
import { CommandError, print, printError, printJson, Screen, UsageError } from "./screen.ts"
import { spanOf } from "./selection.ts"
import * as table from "./table.ts"

const listOf = (names: Option.Option<string>): ReadonlyArray<string> | undefined =>
  Option.getOrUndefined(
    Option.map(names, (text) => text.split(",").map((name) => name.trim()).filter((name) => name !== ""))
  )

const shown = (key: ApiKeys.ApiKey, secret: Redacted.Redacted) =>
  Effect.gen(function*() {
    yield* printError(`${key.id} (${key.name}); the key is shown only now:`)
    yield* print(Redacted.value(secret))
  })

export interface CreateOptions extends Place {
  readonly name: string
  readonly owner: Option.Option<string>
  readonly expires: Option.Option<string>
  readonly providers: Option.Option<string>
  readonly models: Option.Option<string>
}

export const create = (options: CreateOptions) =>
  administering(
    options,
    Effect.gen(function*() {
      const { expires, models, name, owner, providers } = options
      const valid = Option.map(expires, spanOf)
      if (Option.isSome(valid) && valid.value === undefined) {
        return yield* new UsageError({ message: "--expires is how long the key is valid: 12h, 90d or 52w" })
      }
      const { create } = yield* Administration
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

export const list = (options: Place & { readonly json: boolean }) =>
  administering(
    options,
    Effect.gen(function*() {
      const keys = yield* (yield* Administration).list
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

export const revoke = (options: Place & { readonly id: string }) =>
  administering(
    options,
    Effect.gen(function*() {
      const { name } = yield* (yield* Administration).revoke(options.id)
      yield* printError(`${options.id} (${name}) opens nothing any more, on every replica within five seconds`)
    })
  )

export const rotate = (options: Place & { readonly id: string; readonly overlap: Option.Option<string> }) =>
  administering(
    options,
    Effect.gen(function*() {
      const overlap = Option.map(options.overlap, spanOf)
      if (Option.isSome(overlap) && overlap.value === undefined) {
        return yield* new UsageError({ message: "--overlap is how long the old key stays valid: 0h, 24h or 7d" })
      }
      const { key, secret } = yield* (yield* Administration).rotate(options.id, Option.getOrUndefined(overlap))
      yield* shown(key, secret)
    })
  )

// ── providers' keys ─────────────────────────────────────────────────────────────────────────────────────────────────

const alias = (given: Option.Option<string>) => Option.getOrElse(given, () => "default")

interface OfProvider extends Place {
  readonly provider: string
  readonly alias: Option.Option<string>
}

export const setProviderKey = (options: OfProvider) =>
  administering(
    options,
    Effect.gen(function*() {
      const { input } = yield* Screen
      const secret = Option.map(yield* input, (text) => text.trim())
      if (Option.isNone(secret) || secret.value === "") {
        return yield* new UsageError({
          message: `the key is read from stdin: majordomo provider-keys set ${options.provider} < key.txt`
        })
      }
      const { hash, provider } = yield* (yield* Administration).setProviderKey(
        options.provider,
        Redacted.make(secret.value),
        alias(options.alias)
      )
      yield* printError(`the key of ${provider} (${alias(options.alias)}) is sealed and kept; in rows it is ${hash}`)
    })
  )

export const listProviderKeys = (options: Place & { readonly json: boolean }) =>
  administering(
    options,
    Effect.gen(function*() {
      const keys = yield* (yield* Administration).listProviderKeys
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
  administering(
    options,
    Effect.gen(function*() {
      const was = yield* (yield* Administration).removeProviderKey(options.provider, alias(options.alias))
      yield* was
        ? printError(`the key of ${options.provider} (${alias(options.alias)}) is gone`)
        : new CommandError({ message: `no key of ${options.provider} is kept under ${alias(options.alias)}` })
    })
  )

export const resealProviderKeys = (options: Place) =>
  administering(
    options,
    Effect.gen(function*() {
      const count = yield* (yield* Administration).reseal
      yield* printError(`${count} keys are sealed anew under the first key of MAJORDOMO_ENCRYPTION_KEY`)
    })
  )
