/**
 * The configuration of the gateway: a file, `majordomo.json`, under environment variables. Every field is optional; one
 * that is not known is an error that names its place.
 *
 * @since 0.1.0
 */
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as JSONSchema from "effect/JSONSchema"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { ConfigurationError } from "../LLMError.ts"
import { Prefix } from "./internal/limits/redisConnection.ts"
import { Rules } from "./internal/limits/rule.ts"
import { Alias, Time } from "./internal/models/alias.ts"
import type { RedisOptions } from "./Limits.ts"

const said = (description: string) => ({ description })

const Port = Schema.Int.pipe(Schema.between(0, 65_535))

const Wire = Schema.Literal("openai-chat", "openai-responses", "anthropic", "gemini", "cohere", "bedrock")

const Provider = Schema.Struct({
  wire: Schema.optional(Wire).annotations(said("What a provider speaks that the gateway does not know by name.")),
  baseUrl: Schema.optional(Schema.String).annotations(
    said("The only address that requests for it go to. Default: the provider's own.")
  ),
  region: Schema.optional(Schema.String.pipe(Schema.pattern(/^[a-z]{2}(-[a-z]+)+-\d$/))).annotations(
    said("AWS region, for bedrock.")
  ),
  key: Schema.optional(Schema.Struct({ env: Schema.String })).annotations(
    said("The environment variable of the key that is used for clients that bring none.")
  ),
  prices: Schema.optional(Schema.String).annotations(
    said("Name of the provider whose list prices apply. Default: its own, where it is known by name.")
  ),
  connections: Schema.optional(Schema.Int.pipe(Schema.positive())).annotations(
    said("Connections to it at most. Default 1024.")
  )
})

const settings = {
  models: Schema.optional(Schema.Record({ key: Schema.String, value: Alias })).annotations(
    said("Names that clients of any protocol may ask for: a \"provider/model\", or several of them in turn.")
  ),
  limits: Schema.optional(Rules).annotations(
    said("Rates, concurrent requests and budgets. All rules that are about a request apply to it. Default none.")
  )
}

/**
 * What of the file may also be changed while the gateway runs: a version of it that is stored in the database stands before
 * the file, field by field.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Settings = Schema.Struct(settings).annotations({
  identifier: "GatewaySettings",
  parseOptions: { onExcessProperty: "error", errors: "all" }
})

/**
 * @since 0.1.0
 * @category models
 */
export interface Settings extends Schema.Schema.Type<typeof Settings> {}

/**
 * The file `majordomo.json`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const File = Schema.Struct({
  $schema: Schema.optional(Schema.String),
  host: Schema.optional(Schema.String).annotations(said("Address to listen on. Default 127.0.0.1.")),
  port: Schema.optional(Port).annotations(said("Default 7680; 0 takes a free one.")),
  admin: Schema.optional(Schema.Struct({
    host: Schema.optional(Schema.String).annotations(said("Default 127.0.0.1.")),
    port: Schema.optional(Port).annotations(said("Default 7681; 0 takes a free one."))
  })),
  database: Schema.optional(Schema.String).annotations(
    said("A SQLite file (default majordomo.db) or postgres://user:password@host/database.")
  ),
  log: Schema.optional(Schema.Struct({
    durability: Schema.optional(Schema.Literal("durable", "buffered")).annotations(
      said("durable (default): a row is on disk before the last byte of its answer goes out.")
    ),
    spool: Schema.optional(Schema.String).annotations(
      said("Directory of rows that the database does not have yet. Default majordomo-spool.")
    ),
    bodies: Schema.optional(Schema.Literal("none", "errors", "all")).annotations(
      said("Which bodies are kept. Default none.")
    ),
    bodiesDirectory: Schema.optional(Schema.String).annotations(
      said("Default majordomo-bodies. Where it is given, keys may have their bodies kept though bodies is none.")
    ),
    bodiesBucket: Schema.optional(Schema.Struct({
      bucket: Schema.NonEmptyString,
      prefix: Schema.optional(Schema.NonEmptyString).annotations(said("In front of every key. Default: none.")),
      region: Schema.optional(Schema.NonEmptyString).annotations(said("Default: as the AWS SDK finds it.")),
      endpoint: Schema.optional(Schema.NonEmptyString).annotations(
        said("Of another server than Amazon's: http://localhost:9000.")
      )
    })).annotations(
      said(
        "A bucket of S3, or of what speaks its protocol, instead of a directory: all gateways have it, and remove from it what is to be erased. Credentials as the AWS SDK finds them."
      )
    ),
    retention: Schema.optional(Time).annotations(
      said("How long rows are kept, and their parts of the totals. Default: for ever.")
    ),
    bodiesRetention: Schema.optional(Time).annotations(
      said("How long bodies are kept, in days; a bucket has a rule of its own for that. Default: for ever.")
    ),
    hashedLabels: Schema.optional(Schema.Struct({
      labels: Schema.Array(Schema.NonEmptyString),
      key: Schema.Struct({ env: Schema.String }).annotations(
        said("The environment variable of the key of the hashes.")
      )
    })).annotations(said("Labels whose values are counted by and kept as hashes (HMAC-SHA256). Default none.")),
    reportLabels: Schema.optional(Schema.Array(Schema.String)).annotations(
      said("Labels with totals by the hour. Default [\"feature\"].")
    )
  })),
  auth: Schema.optional(Schema.Literal("required", "optional")).annotations(
    said("Whether a request needs a key of the gateway. Default required.")
  ),
  providers: Schema.optional(Schema.Record({ key: Schema.String, value: Provider })),
  models: settings.models,
  meter: Schema.optional(Schema.Struct({
    includeUsage: Schema.optional(Schema.Boolean).annotations(
      said("Ask Chat Completions streams for their usage where the client has not. Default true.")
    )
  })),
  tls: Schema.optional(Schema.Struct({ cert: Schema.String, key: Schema.String })).annotations(
    said("Files in PEM.")
  ),
  maxBodyBytes: Schema.optional(Schema.Int.pipe(Schema.positive())).annotations(
    said("Of a request that is looked into. Default 32 MiB.")
  ),
  timeouts: Schema.optional(Schema.Struct({
    requestHeaders: Schema.optional(Time).annotations(said("Default 30 seconds.")),
    requestIdle: Schema.optional(Time).annotations(said("Between bytes of a client's request. Default 5 minutes.")),
    connect: Schema.optional(Time).annotations(said("To a provider. Default 10 seconds.")),
    answer: Schema.optional(Time).annotations(said("Until a provider answers at all. Default 10 minutes.")),
    answerIdle: Schema.optional(Time).annotations(said("Between bytes of an answer. Default 5 minutes.")),
    drain: Schema.optional(Time).annotations(said("For running requests when the gateway ends. Default 30 seconds."))
  })),
  limits: settings.limits,
  redis: Schema.optional(Schema.Struct({
    url: Schema.Struct({ env: Schema.String }).annotations(
      said("The environment variable of its address: redis://user:password@host:6379/0, rediss:// for TLS.")
    ),
    prefix: Schema.optional(Prefix).annotations(said("What all its keys begin with. Default majordomo."))
  })).annotations(
    said(
      "Where limits are counted, for all replicas. Default: in the database. It must keep what it is told (appendonly)."
    )
  ),
  webhook: Schema.optional(Schema.Struct({
    url: Schema.String,
    secret: Schema.Struct({ env: Schema.String }).annotations(
      said("The environment variable of the secret that signs what is sent.")
    )
  })).annotations(said("Is told when parts of a budget are spent.")),
  trustedProxies: Schema.optional(Schema.Array(Schema.String)).annotations(
    said("Networks (10.0.0.0/8) whose X-Forwarded-For is believed. Default none.")
  ),
  cors: Schema.optional(Schema.Struct({ origins: Schema.Array(Schema.String) })).annotations(
    said("Origins of web pages that may call. Default none.")
  ),
  traceparent: Schema.optional(Schema.Literal("drop", "forward")).annotations(
    said("Whether a client's trace headers go on to the provider. Default drop.")
  ),
  accessLog: Schema.optional(Schema.Boolean).annotations(
    said("A line of JSON on stdout for each request. Default true.")
  )
}).annotations({ identifier: "GatewayConfig" })

/**
 * @since 0.1.0
 * @category models
 */
export interface File extends Schema.Schema.Type<typeof File> {}

/**
 * Where a provider is, and what is known of it.
 *
 * @since 0.1.0
 * @category models
 */
export interface ProviderOptions extends Omit<Schema.Schema.Type<typeof Provider>, "key"> {
  /** A key for clients that bring none, or the environment variable that has it. */
  readonly key?: Redacted.Redacted | { readonly env: string } | undefined
}

/**
 * What `Gateway.layer` takes: the file's fields.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Omit<File, "$schema" | "providers" | "accessLog" | "redis" | "webhook"> {
  /** By name: addresses, keys and wires; also hosts that are not known. */
  readonly providers?: Readonly<Record<string, ProviderOptions>> | undefined
  /** Where limits are counted, for all replicas. Default: in the database. It must keep what it is told (`appendonly`). */
  readonly redis?: RedisOptions | undefined
  /** Is told when parts of a budget are spent; what it gets is signed with the secret. */
  readonly webhook?: {
    readonly url: string
    readonly secret: Redacted.Redacted | { readonly env: string }
  } | undefined
  /** Gets a line of JSON for each request. Default: none. */
  readonly accessLog?: ((line: string) => void) | undefined
  /** Seals the providers' keys: 32 bytes in hex or base64. Default: `MAJORDOMO_ENCRYPTION_KEY`, where it is set. */
  readonly encryptionKey?: Redacted.Redacted | undefined
}

const decode = Schema.decodeUnknownEither(Schema.parseJson(File), { onExcessProperty: "error", errors: "all" })

/**
 * Reads the text of a file. The error names the place of every field that is wrong.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import * as GatewayConfig from "effect-majordomo/gateway/GatewayConfig"
 *
 * const config = GatewayConfig.parse("{ \"port\": 8080 }")
 * ```
 */
export const parse = (text: string, path = "majordomo.json"): Effect.Effect<File, ConfigurationError> =>
  Either.match(decode(text), {
    onLeft: (error) => {
      const problems = ParseResult.ArrayFormatter.formatErrorSync(error).map(({ message, path }) =>
        path.length === 0 ? message : `${path.map(String).join(".")}: ${message}`
      )
      return Effect.fail(new ConfigurationError({ description: `${path}: ${problems.join("; ")}` }))
    },
    onRight: (file) => Effect.succeed(file)
  })

/**
 * The JSON Schema of the file, for editors.
 *
 * @since 0.1.0
 * @category constructors
 */
export const jsonSchema = (): JSONSchema.JsonSchema7Root => JSONSchema.make(File)

const text = (name: string) => Config.option(Config.nonEmptyString(name))

/** 0 is a free one. */
const portOf = (name: string) =>
  Config.validate(Config.integer(name), {
    message: "a port is a number from 0 to 65535",
    validation: (port) => port >= 0 && port <= 65_535
  })

const fromEnvironment = Config.all({
  host: text("MAJORDOMO_HOST"),
  port: Config.option(portOf("MAJORDOMO_PORT")),
  adminHost: text("MAJORDOMO_ADMIN_HOST"),
  adminPort: Config.option(portOf("MAJORDOMO_ADMIN_PORT")),
  database: Config.option(
    Config.orElse(Config.nonEmptyString("MAJORDOMO_DATABASE"), () => Config.nonEmptyString("DATABASE_URL"))
  ),
  redis: text("MAJORDOMO_REDIS"),
  spool: text("MAJORDOMO_SPOOL"),
  auth: Config.option(Config.literal("required", "optional")("MAJORDOMO_AUTH")),
  accessLog: Config.option(Config.boolean("MAJORDOMO_ACCESS_LOG"))
})

/**
 * The file that is named, else that of `MAJORDOMO_CONFIG`, else `majordomo.json` where there is one; then the variables
 * `MAJORDOMO_HOST`, `_PORT`, `_ADMIN_HOST`, `_ADMIN_PORT`, `_DATABASE` (or `DATABASE_URL`), `_REDIS`, `_SPOOL`, `_AUTH` and
 * `_ACCESS_LOG`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const load = (
  named: Option.Option<string>
): Effect.Effect<File, ConfigurationError | ConfigError.ConfigError, FileSystem.FileSystem> =>
  Effect.gen(function*() {
    const wanted = Option.isSome(named) ? named : yield* text("MAJORDOMO_CONFIG")
    const given = yield* fromEnvironment
    const file = yield* read(wanted)
    return {
      ...file,
      ...present("host", given.host),
      ...present("port", given.port),
      ...present("database", given.database),
      // It has a password in it.
      ...(Option.isNone(given.redis) ? {} : { redis: { ...file.redis, url: { env: "MAJORDOMO_REDIS" } } }),
      ...present("auth", given.auth),
      ...present("accessLog", given.accessLog),
      admin: { ...file.admin, ...present("host", given.adminHost), ...present("port", given.adminPort) },
      log: { ...file.log, ...present("spool", given.spool) }
    }
  })

const present = <K extends string, A>(name: K, value: Option.Option<A>): { readonly [N in K]?: A } =>
  // A computed name widens to string.
  (Option.isNone(value) ? {} : { [name]: value.value }) as { readonly [N in K]?: A }

const defaultPath = "majordomo.json"

const read = (wanted: Option.Option<string>): Effect.Effect<File, ConfigurationError, FileSystem.FileSystem> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const path = Option.getOrElse(wanted, () => defaultPath)
    const isThere = Option.isSome(wanted) || (yield* Effect.orElseSucceed(fs.exists(path), () => false))
    if (!isThere) return {}
    const content = yield* Effect.mapError(
      fs.readFileString(path),
      ({ message }: PlatformError) => new ConfigurationError({ description: `${path} cannot be read: ${message}` })
    )
    return yield* parse(content, path)
  })
