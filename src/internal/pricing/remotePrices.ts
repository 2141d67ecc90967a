/** A price list behind an address: fetched, checked, and kept as long as nothing better comes. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Jump, Price, RemoteOptions, Status } from "../../Pricing.ts"
import * as http from "../http/client.ts"
import { HttpFailure } from "../http/failure.ts"

export interface Source {
  readonly prices: () => ReadonlyMap<string, Price> | undefined
  readonly status: Effect.Effect<Status>
}

const maxBytes = 16 * 1024 * 1024

// Nobody asks more than this for a million tokens: what does has its decimal point in another place.
const Rate = Schema.Number.pipe(Schema.finite(), Schema.between(0, 100_000))
const optional = Schema.optional(Rate)

const Document = Schema.parseJson(Schema.Struct({
  version: Schema.optional(Schema.Union(Schema.String, Schema.Number)),
  prices: Schema.Record({
    key: Schema.NonEmptyString,
    value: Schema.Struct({
      input: Rate,
      output: Rate,
      cachedInput: optional,
      cacheWrite: optional,
      cacheWrite1h: optional,
      webSearch: optional,
      request: optional
    })
  })
}))

interface List {
  readonly version: Option.Option<string>
  readonly prices: ReadonlyMap<string, Price>
  readonly at: number
}

interface State {
  readonly list: List | undefined
  readonly error: Option.Option<string>
  readonly jumps: ReadonlyArray<Jump>
}

export const start = (
  options: RemoteOptions
): Effect.Effect<Source, never, HttpClient.HttpClient | Scope.Scope> =>
  Effect.gen(function*() {
    const client = http.prepare(yield* HttpClient.HttpClient, { spans: false, secretHeaders: [] })
    const place = withoutQuery(options.url)
    const factor = Math.max(1, options.maxFactor ?? 3)
    let state: State = { list: undefined, error: Option.none(), jumps: [] }

    const refresh = Effect.gen(function*() {
      const list = yield* fetchList(client, options)
      const jumps = state.list === undefined ? [] : jumpsBetween(state.list.prices, list.prices, factor)
      state = { list, error: Option.none(), jumps }
      yield* Effect.forEach(jumps, ({ from, model, rate, to }) =>
        Effect.logWarning(`the price of ${model} (${rate}) went from ${from} to ${to}`), { discard: true })
    }).pipe(
      Effect.catchAll((error) => {
        state = { ...state, error: Option.some(error) }
        return Effect.logWarning(`no new prices from ${place}: ${error}`)
      })
    )

    yield* refresh
    yield* Effect.forkScoped(Effect.schedule(refresh, Schedule.spaced(options.refresh ?? "1 hour")))

    return {
      prices: () =>
        state.list?.prices,
      status: Effect.map(Clock.currentTimeMillis, (now): Status => ({
        source: place,
        version: state.list?.version ?? Option.none(),
        age: state.list === undefined ? Option.none() : Option.some(Duration.millis(now - state.list.at)),
        prices: state.list?.prices.size ?? 0,
        error: state.error,
        jumps: state.jumps
      }))
    }
  })

const nobody: http.Listener = { headersCame: () => {}, bytesCame: () => {} }

const read = (client: http.Execute, url: string, scope: Scope.Scope): Effect.Effect<string, string> =>
  Effect.flatMap(
    http.send(client, HttpClientRequest.get(url), nobody, { request: scope, body: scope }),
    (response) =>
      response.status >= 200 && response.status < 300
        ? Effect.flatMap(response.body(scope), (body) => http.readText(body, maxBytes, nobody))
        : Effect.fail(new HttpFailure("transport", `HTTP ${response.status}`))
  ).pipe(
    Effect.mapError(({ description }) => description)
  )

/** Fails with what went wrong, without the query of the address. */
const fetchList = (client: http.Execute, options: RemoteOptions): Effect.Effect<List, string> =>
  Effect.gen(function*() {
    const text = yield* Effect.scopedWith((scope) => read(client, options.url, scope)).pipe(
      Effect.timeoutOption(options.timeout ?? "10 seconds")
    )
    if (Option.isNone(text)) return yield* Effect.fail("it took too long")
    const document = yield* Effect.mapError(Schema.decode(Document)(text.value), describe)
    const prices = new Map(Object.entries(document.prices).map(([name, price]) => [name.toLowerCase(), price]))
    if (prices.size === 0) return yield* Effect.fail("the list is empty")
    return {
      version: Option.map(Option.fromNullable(document.version), String),
      prices,
      at: yield* Clock.currentTimeMillis
    }
  })

const describe = (error: ParseResult.ParseError): string => {
  const [issue] = ParseResult.ArrayFormatter.formatErrorSync(error)
  return issue === undefined ? "it is no price list"
    : `${issue.path.join(".") || "the list"}: ${issue.message.slice(0, 200)}`
}

const rates = ["input", "output", "cachedInput", "cacheWrite", "cacheWrite1h", "webSearch", "request"] as const

const jumpsBetween = (
  before: ReadonlyMap<string, Price>,
  after: ReadonlyMap<string, Price>,
  factor: number
): ReadonlyArray<Jump> =>
  Array.from(after).flatMap(([model, price]) =>
    rates.flatMap((rate) => {
      const from = before.get(model)?.[rate]
      const to = price[rate]
      if (from === undefined || to === undefined || from === to) return []
      return Math.max(from, to) > factor * Math.min(from, to) ? [{ model, rate, from, to }] : []
    })
  )

const withoutQuery = (url: string): string => {
  try {
    const { host, pathname, protocol } = new URL(url)
    return `${protocol}//${host}${pathname}`
  } catch {
    return "an address that is none"
  }
}
