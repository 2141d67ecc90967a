/** `majordomo limits`, `settings`, `tokens` and `audit`: what only a gateway that runs can tell and do. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import type { Role } from "../gateway/AdminTokens.ts"
import { Settings } from "../gateway/GatewayConfig.ts"
import { client, type Place, told } from "./administration.ts"
import { CommandError, harmless, print, printError, printJson, Screen, UsageError } from "./screen.ts"
import * as table from "./table.ts"

interface Listing extends Place {
  readonly json: boolean
}

const printTable = (titles: ReadonlyArray<string>, cells: ReadonlyArray<ReadonlyArray<string>>) =>
  Effect.gen(function*() {
    const { isColoured } = yield* Screen
    for (
      const line of table.lines(
        titles.map((title) => ({ title })),
        cells.map((row) => row.map(harmless)),
        table.styleOf(isColoured)
      )
    ) yield* print(line)
  })

const timeOf = (millis: number | null): string =>
  millis === null ? "never" : DateTime.formatIso(DateTime.unsafeMake(millis)).slice(0, 16)

export const limits = (options: Listing) =>
  Effect.gen(function*() {
    const { look } = yield* client(options)
    const found = yield* Effect.mapError(look.limits({}), told(options))
    if (options.json) return yield* printJson(found)
    const rows = found.flatMap(({ by, key, kind, limit, mode, name, resetsAt, scopes }) => {
      const first = [key === null ? name : `${name} of ${key}`, mode === "shadow" ? `${kind} (shadow)` : kind]
      const last = [limit, timeOf(resetsAt)]
      return scopes.length === 0
        ? [[...first, by, "", "0", ...last]]
        : scopes.map(({ scope, used }) => [...first, by, scope, used, ...last])
    })
    yield* printTable(["limit", "of", "by", "who", "used", "at most", "until"], rows)
  })

export const settings = (options: Place) =>
  Effect.gen(function*() {
    const { look } = yield* client(options)
    yield* printJson(yield* Effect.mapError(look.settings({}), told(options)))
  })

const decode = Schema.decodeUnknownEither(Schema.parseJson(Settings))

export const setSettings = (options: Place & { readonly file: string; readonly expected: Option.Option<number> }) =>
  Effect.gen(function*() {
    const { rule } = yield* client(options)
    const fs = yield* FileSystem.FileSystem
    const text = yield* Effect.mapError(
      fs.readFileString(options.file),
      ({ message }) => new CommandError({ message: `${options.file} cannot be read: ${message}` })
    )
    const read = decode(text)
    if (Either.isLeft(read)) {
      const problems = ParseResult.ArrayFormatter.formatErrorSync(read.left).map(({ message, path }) =>
        path.length === 0 ? message : `${path.map(String).join(".")}: ${message}`
      )
      return yield* new CommandError({ message: `${options.file}: ${problems.join("; ")}` })
    }
    const { version } = yield* Effect.mapError(
      rule.setSettings({ payload: { settings: read.right, expected: Option.getOrUndefined(options.expected) } }),
      told(options)
    )
    yield* printError(`version ${version} of the settings is stored; every replica goes by it within five seconds`)
  })

export const versions = (options: Listing) =>
  Effect.gen(function*() {
    const { look } = yield* client(options)
    const found = yield* Effect.mapError(look.versions({ urlParams: {} }), told(options))
    if (options.json) return yield* printJson(found)
    yield* printTable(
      ["version", "at", "who", "sets"],
      found.map(({ at, settings, version, who }) => [
        String(version),
        timeOf(at),
        who,
        Object.keys(settings).join(", ")
      ])
    )
  })

export const restore = (options: Place & { readonly version: number }) =>
  Effect.gen(function*() {
    const { rule } = yield* client(options)
    const { version } = yield* Effect.mapError(
      rule.restoreSettings({ path: { version: options.version } }),
      told(options)
    )
    yield* printError(`version ${options.version} of the settings is the last one again, as version ${version}`)
  })

export const createToken = (options: Place & { readonly name: string; readonly role: Role }) =>
  Effect.gen(function*() {
    const { rule } = yield* client(options)
    const { name, role } = options
    const { secret } = yield* Effect.mapError(rule.createToken({ payload: { name, role } }), told(options))
    yield* printError(`${name} (${role}); the token is shown only now:`)
    yield* print(secret)
  })

export const listTokens = (options: Listing) =>
  Effect.gen(function*() {
    const { rule } = yield* client(options)
    const found = yield* Effect.mapError(rule.tokens({}), told(options))
    if (options.json) return yield* printJson(found)
    yield* printTable(
      ["name", "role", "created", "revoked"],
      found.map(({ createdAt, name, revokedAt, role }) => [
        name,
        role,
        timeOf(createdAt),
        revokedAt === null ? "" : timeOf(revokedAt)
      ])
    )
  })

export const revokeTokens = (options: Place & { readonly name: string }) =>
  Effect.gen(function*() {
    const { rule } = yield* client(options)
    const { revoked } = yield* Effect.mapError(rule.revokeTokens({ path: { name: options.name } }), told(options))
    yield* printError(`${revoked} tokens of the name ${options.name} open nothing any more`)
  })

export const audit = (options: Listing & { readonly limit: number }) =>
  Effect.gen(function*() {
    const { look } = yield* client(options)
    const { rows } = yield* Effect.mapError(look.changes({ urlParams: { limit: options.limit } }), told(options))
    if (options.json) return yield* printJson(rows)
    yield* printTable(
      ["at", "who", "what", "subject"],
      rows.map(({ at, subject, what, who }) => [timeOf(at), who, what, subject])
    )
  })

export const erase = (options: Place & { readonly label: string }) =>
  Effect.gen(function*() {
    const at = options.label.indexOf("=")
    if (at < 1 || at === options.label.length - 1) {
      return yield* new UsageError({ message: "name a label and its value: majordomo erase user-id=42" })
    }
    const { rule } = yield* client(options)
    const { bodies, rows } = yield* Effect.mapError(
      rule.erase({ urlParams: { label: options.label.slice(0, at), value: options.label.slice(at + 1) } }),
      told(options)
    )
    yield* printError(`${rows} rows and ${bodies} bodies are deleted`)
  })
