/**
 * A connection to one Redis server, for scripts. What it cannot say within two seconds is an error, nothing waits for a server
 * that is away, and a connection that has died in silence is replaced by another.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { ConfigurationError } from "../../../LLMError.ts"
import type { RedisOptions } from "../../Limits.ts"
import { secretOf } from "../secret.ts"
import { StoreError } from "./store.ts"

/** What the keys of one gateway begin with, among those of others. */
export const Prefix = Schema.String.pipe(Schema.pattern(/^[A-Za-z0-9._:-]{1,64}$/))

export type Argument = string | number | Buffer

export interface Connection {
  /** Runs a script, whose keys and arguments are these. */
  readonly run: (
    script: string,
    keys: ReadonlyArray<string>,
    args: ReadonlyArray<Argument>
  ) => Effect.Effect<unknown, StoreError>
}

interface Address {
  readonly host: string
  readonly port: number
  readonly db: number
  readonly username?: string
  readonly password?: string
  readonly tls?: object
}

const defaultPort = 6379
const patience = 2000

const decoded = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/** Undefined: this is no address of a Redis. */
const addressOf = (text: string): Address | undefined => {
  if (!URL.canParse(text)) return undefined
  const { hash, hostname, password, pathname, port, protocol, search, username } = new URL(text)
  const db = /^\/?(\d{0,4})$/.exec(pathname)?.[1]
  const user = decoded(username)
  const secret = decoded(password)
  if (!/^rediss?:$/.test(protocol) || hostname === "" || db === undefined || search !== "" || hash !== "") {
    return undefined
  }
  if (user === undefined || secret === undefined) return undefined
  return {
    host: hostname.replace(/^\[|\]$/g, ""),
    port: port === "" ? defaultPort : Number(port),
    db: Number(db),
    ...(user === "" ? {} : { username: user }),
    ...(secret === "" ? {} : { password: secret }),
    ...(protocol === "rediss:" ? { tls: {} } : {})
  }
}

const address = ({ prefix, url }: RedisOptions): Effect.Effect<Address, ConfigurationError> =>
  Effect.flatMap(secretOf(url, "redis.url"), (secret) => {
    if (prefix !== undefined && !Schema.is(Prefix)(prefix)) {
      return new ConfigurationError({ description: "redis.prefix: up to 64 letters, digits, and . _ : -" })
    }
    const found = addressOf(Redacted.value(secret))
    return found === undefined
      ? new ConfigurationError({
        description: "redis.url: an address such as redis://user:password@host:6379/0, or rediss:// for TLS"
      })
      : Effect.succeed(found)
  })

export const check = (options: RedisOptions): Effect.Effect<void, ConfigurationError> => Effect.asVoid(address(options))

const driver = Effect.tryPromise({
  // Of a CommonJS module in a bundle nothing else has a name.
  try: async () => (await import("ioredis")).default.Redis,
  catch: () => new ConfigurationError({ description: "ioredis is missing: npm install ioredis" })
})

/** What kind of error it is, without anything that a URL or a command may have brought in: ECONNREFUSED, WRONGPASS. */
const kindOf = (error: unknown): string => {
  if (!(error instanceof Error)) return "unknown"
  const { code } = { code: undefined, ...error }
  if (typeof code === "string" && /^[A-Z_]+$/.test(code)) return code
  return /(?:^|: )([A-Z]{3,})\b/.exec(error.message)?.[1] ?? error.name
}

const away = () => new StoreError({ description: "Redis does not answer" })

const silence = "Command timed out"

export const make = (options: RedisOptions): Effect.Effect<Connection, ConfigurationError, Scope.Scope> =>
  Effect.gen(function*() {
    const to = yield* address(options)
    const Redis = yield* driver
    let lastKind = "ETIMEDOUT"
    const redis = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const client = new Redis({
          ...to,
          lazyConnect: true,
          connectTimeout: patience,
          commandTimeout: patience,
          disconnectTimeout: 250,
          // What it keeps for a server that is away would wait for ever, and be sent again when nobody asks for it any more.
          enableOfflineQueue: false,
          maxRetriesPerRequest: 0,
          autoResendUnfulfilledCommands: false,
          disableClientInfo: true,
          retryStrategy: (tries) => Math.min(100 * tries, 1000),
          // The server has become another one's replica.
          reconnectOnError: ({ message }) => message.startsWith("READONLY")
        })
        client.on("error", (error) => {
          lastKind = kindOf(error)
        })
        return client
      }),
      // A farewell would wait for an answer.
      (client) => Effect.sync(() => client.disconnect())
    )
    const connected = Effect.option(Effect.timeout(Effect.tryPromise(() => redis.connect()), patience))
    if (Option.isNone(yield* connected)) {
      yield* Effect.logWarning(`the Redis of limits does not answer (${lastKind}); it is tried again`)
    }
    // Also where nobody waits any more: a connection may have died without a word.
    const replaced = (error: unknown) => {
      if (error instanceof Error && error.message === silence) redis.disconnect(true)
    }
    return {
      run: (script, keys, args) =>
        Effect.tryPromise({
          try: () => {
            const answer = redis.eval(script, keys.length, ...keys, ...args)
            answer.catch(replaced)
            return answer
          },
          catch: away
        })
    }
  })
