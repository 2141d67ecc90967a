/**
 * What replicas share in a Redis. It is read, the arithmetic of `ledger` says what comes of it, and a script writes that where
 * nobody else has written meanwhile, or it is read again. All keys are in one slot (`{majordomo}`) and end by themselves:
 *
 * - `window:<starts>:<account>`: a hash of what is used, the version, when it ends, and of each grant `l:<holder>`;
 * - `told:<starts>:<holder>:<account>`: what one that spends has said, for as long as a row may say it again;
 * - `index`, `ends`: the windows by name, and by when they end, which `usage` lists without a look at all keys.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { uuidv7 } from "../../../internal/call/uuid.ts"
import type { ConfigurationError } from "../../../LLMError.ts"
import type { RedisOptions } from "../../Limits.ts"
import { type Books, type Entry, settle } from "./ledger.ts"
import * as ledger from "./ledger.ts"
import * as redis from "./redisConnection.ts"
import { lastOf, remembered, type Store, StoreError } from "./store.ts"
import type { Window } from "./window.ts"

export interface Options extends RedisOptions {
  readonly lifetime?: number | undefined
  readonly share?: bigint | undefined
  /** Whose time it is that grants end by. Default: the server's, which is the same for all replicas. */
  readonly time?: "server" | "caller" | undefined
}

// ── scripts ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Keys: a window, and what its holder has told; as many pairs as one likes. */
const readScript = `
local found = { redis.call('TIME') }
for at = 1, #KEYS, 2 do
  found[#found + 1] = { redis.call('HGETALL', KEYS[at]), redis.call('GET', KEYS[at + 1]) }
end
return found`

const perPair = 13

/**
 * Keys: the index, the ends, then pairs. Arguments: the time, then of each pair the version that was read, the next one, the
 * name in the index, used, ends, ms until the window is forgotten ('' for never), when that is, told ('' for nothing), ms until
 * that is forgotten, the field of the grant, the grant ('' for none); in lists of JSON the fields of grants that have ended, and
 * the fields and values of those that end sooner than they say.
 */
const writeScript = `
local written = {}
for pair = 1, (#KEYS - 2) / 2 do
  local window, told = KEYS[2 * pair + 1], KEYS[2 * pair + 2]
  local a = 2 + (pair - 1) * ${perPair}
  local ttl, lease = ARGV[a + 5], ARGV[a + 10]
  if (redis.call('HGET', window, 'version') or '') ~= ARGV[a] then
    written[pair] = 0
  else
    local isNew = redis.call('EXISTS', window) == 0
    redis.call('HSET', window, 'version', ARGV[a + 1], 'used', ARGV[a + 3], 'ends', ARGV[a + 4])
    if lease == '' then
      redis.call('HDEL', window, ARGV[a + 9])
    else
      redis.call('HSET', window, ARGV[a + 9], lease)
    end
    for _, field in ipairs(cjson.decode(ARGV[a + 11])) do redis.call('HDEL', window, field) end
    for _, grant in ipairs(cjson.decode(ARGV[a + 12])) do redis.call('HSET', window, grant[1], grant[2]) end
    if ttl == '' then
      redis.call('PERSIST', window)
    else
      local left = redis.call('PTTL', window)
      if isNew or (left >= 0 and left < tonumber(ttl)) then redis.call('PEXPIRE', window, ttl) end
    end
    if ARGV[a + 7] ~= '' then redis.call('SET', told, ARGV[a + 7], 'PX', ARGV[a + 8]) end
    redis.call('ZADD', KEYS[1], 0, ARGV[a + 2])
    redis.call('ZADD', KEYS[2], ARGV[a + 6], ARGV[a + 2])
    written[pair] = 1
  end
end
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', '(' .. ARGV[1], 'LIMIT', 0, 2 * #KEYS)) do
  redis.call('ZREM', KEYS[1], name)
  redis.call('ZREM', KEYS[2], name)
end
return written`

/** Key: a window. Arguments: the field of the threshold, ms until the window is forgotten. */
const claimScript = `
local isNew = redis.call('EXISTS', KEYS[1]) == 0
local isFirst = redis.call('HSETNX', KEYS[1], ARGV[1], '1')
if isNew and ARGV[2] ~= '' then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return isFirst`

/** Key: the index. Arguments: where to begin and to end, how many. */
const listScript = `return redis.call('ZRANGEBYLEX', KEYS[1], ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[3])`

/** Keys: windows. */
const usedScript = `
local found = {}
for at = 1, #KEYS do found[at] = redis.call('HMGET', KEYS[at], 'used', 'ends') end
return found`

const decodeRead = Schema.decodeUnknown(
  Schema.Tuple(
    [Schema.Tuple(Schema.NumberFromString, Schema.NumberFromString)],
    Schema.Tuple(Schema.Array(Schema.String), Schema.NullOr(Schema.BigInt))
  )
)
const decodeWritten = Schema.decodeUnknown(Schema.Array(Schema.Number))
const decodeNames = Schema.decodeUnknown(Schema.Array(Schema.String))
const decodeUsed = Schema.decodeUnknown(
  Schema.Array(Schema.Tuple(Schema.NullOr(Schema.BigInt), Schema.NullOr(Schema.NumberFromString)))
)

// ── what a window is in Redis ───────────────────────────────────────────────────────────────────────────────────────

interface Grant {
  readonly granted: bigint
  readonly until: number
}

interface Read {
  readonly version: string
  readonly used: bigint
  readonly told: bigint | undefined
  readonly grants: ReadonlyMap<string, Grant>
}

const grantField = "l:"

const readOf = (fields: ReadonlyArray<string>, told: bigint | null): Read => {
  const grants = new Map<string, Grant>()
  let version = ""
  let used = 0n
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const name = fields[at] ?? ""
    const value = fields[at + 1] ?? ""
    if (name === "version") version = value
    else if (name === "used") used = BigInt(value)
    else if (name.startsWith(grantField)) {
      const [granted = "0", until = "0"] = value.split(" ")
      grants.set(name.slice(grantField.length), { granted: BigInt(granted), until: Number(until) })
    }
  }
  return { version, used, told: told ?? undefined, grants }
}

/** What is to become of a window. */
interface Change {
  readonly account: string
  readonly window: Window
  readonly holder: string
  readonly entryOf: (books: Books) => Entry
  /** Whether what is granted is good for another lifetime. */
  readonly isRenewal: boolean
}

const minute = 60_000
const hour = 60 * minute
/** Later no date is. */
const lastTime = 8.64e15

/** Ms until it is forgotten; undefined: never. Calls that began in it may still be booked for as long as it was, an hour at most. */
const rest = ({ ends, starts }: Window, used: bigint, now: number): number | undefined => {
  if (ends > lastTime) return used === 0n ? hour : undefined
  return Math.max(minute, ends + Math.min(hour, ends - starts) - now)
}

/** A grant is renewed every second, and outlives a pause of the process or of Redis that is shorter, ms. */
const lifetime = 15_000
const share = 4n
const chunk = 100
/** So often others may have written first. */
const maxTries = 100

const chunksOf = <A>(all: ReadonlyArray<A>): ReadonlyArray<ReadonlyArray<A>> =>
  Array.from({ length: Math.ceil(all.length / chunk) }, (_, at) => all.slice(at * chunk, (at + 1) * chunk))

const unreadable = () => new StoreError({ description: "what Redis holds cannot be read" })

export const make = (options: Options): Effect.Effect<Store, ConfigurationError, Scope.Scope> =>
  Effect.gen(function*() {
    const { run } = yield* redis.make(options)
    const lives = options.lifetime ?? lifetime
    const parts = options.share ?? share
    const home = `{${options.prefix ?? "majordomo"}}:limits`
    const index = `${home}:index`
    const ends = `${home}:ends`
    const writer = uuidv7(yield* Clock.currentTimeMillis)
    let serial = 0

    const windowKey = (account: string, starts: number) => `${home}:window:${starts}:${account}`
    const toldKey = ({ account, holder, window: { starts } }: Change) => `${home}:told:${starts}:${holder}:${account}`
    const keysOf = (changes: ReadonlyArray<Change>) =>
      changes.flatMap((change) => [windowKey(change.account, change.window.starts), toldKey(change)])

    /** What a change writes; undefined: nothing. */
    const written = (
      { account, entryOf, holder, isRenewal, window }: Change,
      { grants, told, used, version }: Read,
      now: number,
      at: number
    ) => {
      const over: Array<string> = []
      const shortened: Array<readonly [field: string, value: string]> = []
      let granted = 0n
      for (const [name, grant] of grants) {
        if (name === holder) continue
        if (grant.until <= at) {
          over.push(`${grantField}${name}`)
          continue
        }
        granted += grant.granted
        // Who gave it this end has a clock that has been put back since; it is renewed, or ends now as others do.
        if (grant.until > at + lives) shortened.push([`${grantField}${name}`, `${grant.granted} ${at + lives}`])
      }
      const known = grants.get(holder)
      const own = known === undefined && told === undefined
        ? undefined
        : { told: told ?? 0n, granted: known?.granted ?? 0n, until: known?.until ?? at }
      const entry = entryOf({ used, granted, own })
      if (!isRenewal && entry.used === used) return { entry, args: undefined }
      const ttl = rest(window, entry.used, now)
      const until = isRenewal ? at + lives : own?.until ?? at
      return {
        entry,
        args: [
          version,
          `${writer}.${serial++}`,
          `${account}\0${window.starts}`,
          String(entry.used),
          window.ends,
          ttl === undefined ? "" : ttl,
          ttl === undefined ? "+inf" : at + ttl,
          entry.told === 0n ? "" : String(entry.told),
          Math.min(remembered, ttl ?? remembered),
          `${grantField}${holder}`,
          entry.granted === 0n ? "" : `${entry.granted} ${until}`,
          JSON.stringify(over),
          JSON.stringify(shortened)
        ]
      }
    }

    /** Each of another window. Gives what came of them; undefined where somebody else has written first. */
    const tried = (changes: ReadonlyArray<Change>, now: number) =>
      Effect.gen(function*() {
        const [[seconds, micros], ...found] = yield* Effect.mapError(
          Effect.flatMap(run(readScript, keysOf(changes), []), decodeRead),
          (error) => error._tag === "StoreError" ? error : unreadable()
        )
        const at = options.time === "caller" ? now : seconds * 1000 + Math.floor(micros / 1000)
        const entries: Array<Entry | undefined> = []
        const writing: Array<{ readonly at: number; readonly change: Change }> = []
        const args: Array<redis.Argument> = [at]
        for (const [position, change] of changes.entries()) {
          const [fields, told] = found[position] ?? [[], null]
          const { args: more, entry } = written(change, readOf(fields, told), now, at)
          entries.push(entry)
          if (more === undefined) continue
          writing.push({ at: position, change })
          args.push(...more)
        }
        if (writing.length === 0) return entries
        const keys = [index, ends, ...keysOf(writing.map(({ change }) => change))]
        const answers = yield* Effect.mapError(
          Effect.flatMap(run(writeScript, keys, args), decodeWritten),
          (error) => error._tag === "StoreError" ? error : unreadable()
        )
        for (const [position, { at }] of writing.entries()) if (answers[position] !== 1) entries[at] = undefined
        return entries
      })

    /** Those of one window one after the other. */
    const applied = (changes: ReadonlyArray<Change>, now: number): Effect.Effect<ReadonlyArray<Entry>, StoreError> =>
      Effect.gen(function*() {
        const entries: Array<Entry> = []
        const byWindow = new Map<string, Array<{ readonly at: number; readonly change: Change }>>()
        for (const [at, change] of changes.entries()) {
          const key = windowKey(change.account, change.window.starts)
          const queue = byWindow.get(key)
          if (queue === undefined) byWindow.set(key, [{ at, change }])
          else queue.push({ at, change })
        }
        for (const queues of chunksOf([...byWindow.values()])) {
          let open = queues.map((queue) => ({ queue, next: 0 }))
          let tries = 0
          while (open.length > 0) {
            const heads = open.flatMap(({ next, queue }) => queue[next] ?? [])
            const found = yield* tried(heads.map(({ change }) => change), now)
            for (const [position, { at }] of heads.entries()) {
              const entry = found[position]
              const queue = open[position]
              if (entry === undefined || queue === undefined) continue
              entries[at] = entry
              queue.next++
            }
            tries = found.includes(undefined) ? tries + 1 : 0
            if (tries >= maxTries) return yield* new StoreError({ description: "too many write to Redis at once" })
            open = open.filter(({ next, queue }) => next < queue.length)
          }
        }
        return entries
      })

    /** A page of the windows whose accounts' names begin so. */
    const listed = (prefix: string, after: string | undefined) =>
      Effect.mapError(
        Effect.flatMap(
          run(listScript, [index], [
            after === undefined ? `[${prefix}` : `(${after}`,
            // No text has this byte in it.
            Buffer.concat([Buffer.from(`(${prefix}`), Buffer.from([0xff])]),
            10 * chunk
          ]),
          decodeNames
        ),
        (error) => error._tag === "StoreError" ? error : unreadable()
      )

    const usedOf = (windows: ReadonlyArray<{ readonly account: string; readonly starts: number }>) =>
      Effect.mapError(
        Effect.flatMap(
          run(usedScript, windows.map(({ account, starts }) => windowKey(account, starts)), []),
          decodeUsed
        ),
        (error) => error._tag === "StoreError" ? error : unreadable()
      )

    return {
      lifetime: lives,
      report: (asks, now) =>
        applied(
          asks.map(({ account, holder, report, window }) => ({
            account,
            window,
            holder,
            entryOf: (books) => settle(books, report, parts),
            isRenewal: true
          })),
          now
        ),
      book: (bookings, now) =>
        Effect.asVoid(applied(
          lastOf(bookings, now).map(({ account, ends, holder, spent, starts }) => ({
            account,
            window: { starts, ends },
            holder,
            entryOf: (books) => ledger.book(books, BigInt(spent)),
            isRenewal: false
          })),
          now
        )),
      claim: (account, window, threshold) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) =>
          Effect.map(
            run(claimScript, [windowKey(account, window.starts)], [`c:${threshold}`, rest(window, 1n, now) ?? ""]),
            (isFirst) => isFirst === 1
          )),
      usage: (prefix, now) =>
        Effect.gen(function*() {
          let most: Array<{ readonly account: string; readonly used: bigint }> = []
          for (let after: string | undefined;;) {
            const names = yield* listed(prefix, after)
            const windows = names.map((name) => {
              const end = name.lastIndexOf("\0")
              return { account: name.slice(0, end), starts: Number(name.slice(end + 1)) }
            }).filter(({ starts }) => starts <= now)
            for (const some of chunksOf(windows)) {
              for (const [at, [used, ends]] of (yield* usedOf(some)).entries()) {
                const account = some[at]?.account
                if (account === undefined || used === null || ends === null || ends <= now) continue
                most.push({ account, used })
              }
            }
            most = most.sort((a, b) => a.used > b.used ? -1 : a.used < b.used ? 1 : 0).slice(0, 10 * chunk)
            after = names.at(-1)
            if (after === undefined || names.length < 10 * chunk) return most
          }
        })
    }
  })
