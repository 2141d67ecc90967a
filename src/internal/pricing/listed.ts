/**
 * What the list of prices says of a model. A provider's list is loaded when it is first wanted: beside the first
 * request, not when this module is imported.
 */
import { lists } from "./lists.ts"

/** USD per million tokens, or per thousand calls; `base` until the input is longer than a tier's `start`. */
export type Rate = number | {
  readonly base: number
  readonly tiers: ReadonlyArray<{ readonly start: number; readonly price: number }>
}

/** By the names of `@pydantic/genai-prices`: `input_mtok`, `cache_read_mtok`, `requests_kcount` … */
export type Rates = Readonly<Record<string, Rate | undefined>>

type Match =
  | { readonly or: ReadonlyArray<Match> }
  | { readonly and: ReadonlyArray<Match> }
  | { readonly equals: string }
  | { readonly starts_with: string }
  | { readonly ends_with: string }
  | { readonly contains: string }
  | { readonly regex: string }

interface Dated {
  readonly constraint?:
    | { readonly type: "start_date"; readonly start_date: string }
    | { readonly type: "time_of_date"; readonly start_time: string; readonly end_time: string }
  readonly prices: Rates
}

interface Model {
  /** None where the model is another provider's. */
  readonly id?: string
  readonly match: Match
  /** Tokens that it reads and writes at most. */
  readonly context?: number
  readonly prices: Rates | ReadonlyArray<Dated>
}

/** The prices of one provider. */
export interface List {
  /** By name and time; none where the model is unknown. */
  readonly ratesOf: (model: string, at: Date) => Rates | undefined
  /** Tokens, at most; none where nobody says. */
  readonly contextOf: (model: string) => number | undefined
  readonly models: ReadonlyArray<string>
}

const names: Readonly<Record<string, string>> = {
  gemini: "google",
  "gemini-openai": "google",
  vertex: "google",
  bedrock: "aws",
  moonshot: "moonshotai",
  xai: "x-ai",
  "bedrock-mantle": "aws",
  copilot: "github-copilot",
  "openai-chat": "openai",
  "openai-responses": "openai",
  "huggingface-together": "huggingface_together",
  "huggingface-nebius": "huggingface_nebius",
  "huggingface-cerebras": "huggingface_cerebras",
  "huggingface-fireworks": "huggingface_fireworks-ai",
  "huggingface-groq": "huggingface_groq",
  "huggingface-novita": "huggingface_novita"
}

const loaded = new Map<string, List>()
const loading = new Map<string, Promise<List>>()

/** What a provider of ours is called in the list. */
export const listedAs = (provider: string): string => names[provider] ?? provider

/** The list of a provider: there, on its way, or none. */
export const listOf = (provider: string): List | Promise<List> | undefined => {
  const id = listedAs(provider)
  const list = loaded.get(id)
  if (list !== undefined) return list
  const load = Object.hasOwn(lists, id) ? lists[id] : undefined
  if (load === undefined) return undefined
  let promise = loading.get(id)
  if (promise === undefined) {
    promise = load().then(({ json }) => {
      const list = read(JSON.parse(json))
      loaded.set(id, list)
      return list
    }).finally(() => {
      // After a failure, the next one who wants a price tries again.
      loading.delete(id)
    })
    loading.set(id, promise)
  }
  return promise
}

/** Starts loading the list of a provider, or all of them. A failure is told of when a price is wanted. */
export const preload = (provider?: string): void => {
  for (const id of provider === undefined ? Object.keys(lists) : [provider]) {
    const list = listOf(id)
    if (list instanceof Promise) list.catch(() => {})
  }
}

const maxKnown = 10_000

const read = (models: ReadonlyArray<Model>): List => {
  // The search is linear, with patterns: a name is looked up once.
  const known = new Map<string, Model | undefined>()
  const find = (name: string): Model | undefined => {
    const written = name.toLowerCase().trim()
    return models.find(({ match }) => matches(match, written)) ??
      models.find(({ match }) => matches(match, withDashes(written)))
  }
  const modelOf = (name: string): Model | undefined => {
    let model = known.get(name)
    if (model === undefined && !known.has(name)) {
      if (known.size >= maxKnown) known.clear()
      known.set(name, model = find(name))
    }
    return model
  }
  return {
    models: models.flatMap(({ id }) => id ?? []),
    ratesOf: (name, at) => {
      const model = modelOf(name)
      return model === undefined ? undefined : ratesAt(model.prices, at)
    },
    contextOf: (name) => modelOf(name)?.context
  }
}

const matches = (match: Match, name: string): boolean => {
  if ("or" in match) return match.or.some((one) => matches(one, name))
  if ("and" in match) return match.and.every((one) => matches(one, name))
  if ("equals" in match) return name === match.equals.toLowerCase()
  if ("starts_with" in match) return name.startsWith(match.starts_with.toLowerCase())
  if ("ends_with" in match) return name.endsWith(match.ends_with.toLowerCase())
  if ("contains" in match) return name.includes(match.contains.toLowerCase())
  return new RegExp(match.regex).test(name)
}

/** `-20260131` as `-2026-01-31`, where that is a day. */
const withDashes = (name: string): string =>
  name.replace(/-(20\d\d)(\d\d)(\d\d)(?=-|:|$)/g, (written, year: string, month: string, day: string) => {
    const date = `${year}-${month}-${day}`
    const time = Date.parse(`${date}T00:00:00Z`)
    return !Number.isNaN(time) && new Date(time).toISOString().startsWith(date) ? `-${date}` : written
  })

const isDated = (prices: Model["prices"]): prices is ReadonlyArray<Dated> => Array.isArray(prices)

/** The last whose condition holds. */
const ratesAt = (prices: Model["prices"], at: Date): Rates | undefined =>
  isDated(prices)
    ? prices.reduce((chosen, one) => one.constraint === undefined || holds(one.constraint, at) ? one : chosen).prices
    : prices

const holds = (constraint: NonNullable<Dated["constraint"]>, at: Date): boolean => {
  if (constraint.type === "start_date") return at >= new Date(constraint.start_date)
  const now = secondsOfDay(at.toISOString())
  const start = secondsOfDay(new Date(`2000-01-01T${constraint.start_time}`).toISOString())
  const end = secondsOfDay(new Date(`2000-01-01T${constraint.end_time}`).toISOString())
  return end < start ? now >= start || now < end : now >= start && now < end
}

const secondsOfDay = (iso: string): number =>
  Number(iso.slice(11, 13)) * 3600 + Number(iso.slice(14, 16)) * 60 + Number(iso.slice(17, 23))
