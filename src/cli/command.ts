/** The command line: what it understands. What it does is loaded when it is asked for. */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { load } from "./database.ts"

const text = (name: string, description: string) => Options.withDescription(Options.text(name), description)
const json = Options.withDescription(Options.boolean("json"), "Print JSON.")
const db = text("db", "SQLite file or postgres://… URL of the log. Default: MAJORDOMO_DB, else llm_logs.db.").pipe(
  Options.withFallbackConfig(Config.string("MAJORDOMO_DB")),
  Options.withDefault("llm_logs.db")
)
const since = Options.optional(text("since", "Calls since then: 30m, 24h, 7d, 2w or a date."))
const until = Options.optional(text("until", "Calls before then: the same."))
const where = Options.text("where").pipe(
  Options.withDescription("label=value: calls with this label, or provider=…, model=…, status=…. May come again."),
  Options.repeated
)
const positive = Schema.Number.pipe(Schema.positive({ message: () => "--limit is a number above 0" }))
const limit = (count: number, description: string) =>
  Options.integer("limit").pipe(
    Options.withSchema(positive),
    Options.withDescription(description),
    Options.withDefault(count)
  )

const chat = Command.make("chat", {
  prompt: Args.text({ name: "prompt" }).pipe(
    Args.withDescription(
      "What to ask; \"-\" or nothing: what is piped in; on a terminal, nothing begins a conversation."
    ),
    Args.optional
  ),
  model: Options.optional(text("model", "\"provider/model\"; see majordomo models.")),
  alias: Options.optional(text("alias", "A name for a model or a cascade. Default: fast.")),
  system: Options.optional(text("system", "Instructions.")),
  maxTokens: Options.optional(
    Options.withDescription(Options.integer("max-tokens"), "Tokens of the answer at most.")
  ),
  temperature: Options.optional(Options.withDescription(Options.float("temperature"), "Sent only when given.")),
  stream: Options.withDescription(Options.boolean("stream"), "Print the answer as it comes."),
  jsonSchema: Options.optional(text("json-schema", "A file: the answer is JSON that this JSON Schema allows.")),
  baseUrl: Options.optional(text("base-url", "Another address than the provider's: a gateway.")),
  label: Options.keyValueMap("label").pipe(
    Options.withDescription("A label for the log: feature=search. May come again."),
    Options.optional
  ),
  log: Options.optional(text("log", "Record the call in this SQLite file or postgres://… database."))
}, (options) => Effect.flatMap(load(() => import("./chat.ts")), ({ run }) => run(options))).pipe(
  Command.withDescription("Ask a model. The answer goes to stdout, tokens and cost to stderr.")
)

const costs = Command.make("costs", {
  by: text(
    "by",
    "model, provider, requested-model, key, status, error, hour, day, month or any label; several with commas."
  )
    .pipe(Options.withDefault("model")),
  since,
  until,
  where,
  limit: limit(50, "Groups at most, the most expensive first."),
  db,
  json
}, (options) => Effect.flatMap(load(() => import("./costs.ts")), ({ run }) => run(options))).pipe(
  Command.withDescription("Who spent what.")
)

const logs = Command.make("logs", {
  follow: Options.withDescription(
    Options.boolean("follow").pipe(Options.withAlias("f")),
    "Go on with new calls until Ctrl-C."
  ),
  status: Options.optional(
    Options.withDescription(Options.choice("status", ["success", "error", "cancelled"]), "Calls that ended so.")
  ),
  since,
  until,
  where,
  limit: limit(20, "Calls at most, the newest."),
  db,
  json
}, (options) => Effect.flatMap(load(() => import("./logs.ts")), ({ run }) => run(options))).pipe(
  Command.withDescription("The newest calls, one line each, the newest last.")
)

const models = Command.make("models", {
  provider: Options.optional(text("provider", "The models of this provider that have a known price.")),
  json
}, (options) => Effect.flatMap(load(() => import("./models.ts")), ({ run }) => run(options))).pipe(
  Command.withDescription("Providers, their key variables, aliases and prices.")
)

const directory = text("directory", "The spool's directory, as given to Logging.layer.")

const spoolStatus = Command.make(
  "status",
  { directory, json },
  (options) => Effect.flatMap(load(() => import("./spool.ts")), ({ status }) => status(options))
).pipe(Command.withDescription("What waits there."))

const spoolReplay = Command.make(
  "replay",
  { directory, db, json },
  (options) => Effect.flatMap(load(() => import("./spool.ts")), ({ replay }) => replay(options))
).pipe(Command.withDescription("Write it to the database now. Rows that are there already are left as they are."))

const spool = Command.make("spool").pipe(
  Command.withDescription("Rows on disk that the database does not have yet."),
  Command.withSubcommands([spoolStatus, spoolReplay])
)

const config = Options.optional(text("config", "The configuration. Default: MAJORDOMO_CONFIG, else majordomo.json."))

const gateway = Command.make("gateway", {
  config,
  check: Options.withDescription(Options.boolean("check"), "Look at the configuration, and start nothing.")
}, (options) => Effect.flatMap(load(() => import("./gateway.ts")), ({ run }) => run(options))).pipe(
  Command.withDescription("Run the gateway: every provider behind one address, metered and recorded.")
)

/** Where the gateway's keys are. */
const place = {
  config,
  url: Options.optional(
    text("url", "A gateway that runs: its administrators' address. Default: MAJORDOMO_ADMIN_URL, else the database.")
      .pipe(
        Options.withFallbackConfig(Config.string("MAJORDOMO_ADMIN_URL"))
      )
  ),
  token: Options.optional(
    Options.redacted("token").pipe(
      Options.withDescription(
        "An administrator's token, mdm_at_…. Better in MAJORDOMO_ADMIN_TOKEN, where nobody sees it."
      ),
      Options.withFallbackConfig(Config.redacted("MAJORDOMO_ADMIN_TOKEN"))
    )
  )
}

const keyId = Args.withDescription(Args.text({ name: "id" }), "The key's id: majordomo keys list.")
const loadKeys = load(() => import("./keys.ts"))

const keysCreate = Command.make("create", {
  name: text("name", "What it is for."),
  owner: Options.optional(text("owner", "Whose it is.")),
  expires: Options.optional(text("expires", "How long it is valid: 12h, 90d, 52w. Default: for ever.")),
  providers: Options.optional(text("providers", "Providers it may call, with commas between. Default: all.")),
  models: Options.optional(text("models", "Models it may ask for, * for anything: 'gpt-4.1*,claude-*'. Default: all.")),
  ...place
}, (options) => Effect.flatMap(loadKeys, ({ create }) => create(options))).pipe(
  Command.withDescription("Make a key. It is printed once, on stdout.")
)
const keysList = Command.make(
  "list",
  { ...place, json },
  (options) => Effect.flatMap(loadKeys, ({ list }) => list(options))
).pipe(Command.withDescription("All keys, without their secrets."))
const keysRevoke = Command.make(
  "revoke",
  { id: keyId, ...place },
  (options) => Effect.flatMap(loadKeys, ({ revoke }) => revoke(options))
).pipe(Command.withDescription("End a key."))
const keysRotate = Command.make("rotate", {
  id: keyId,
  overlap: Options.optional(text("overlap", "How long the old one stays valid. Default 24h.")),
  ...place
}, (options) => Effect.flatMap(loadKeys, ({ rotate }) => rotate(options))).pipe(
  Command.withDescription("A new secret for the same key.")
)

const keys = Command.make("keys").pipe(
  Command.withDescription("Keys of the gateway: who may call, until when, and what."),
  Command.withSubcommands([keysCreate, keysList, keysRevoke, keysRotate])
)

const provider = Args.withDescription(Args.text({ name: "provider" }), "Its name: openai, anthropic …")
const alias = Options.optional(text("alias", "Which of several. Default: default."))

const providerKeysSet = Command.make(
  "set",
  { provider, alias, ...place },
  (options) => Effect.flatMap(loadKeys, ({ setProviderKey }) => setProviderKey(options))
).pipe(Command.withDescription("Keep a key, read from stdin, sealed under MAJORDOMO_ENCRYPTION_KEY."))
const providerKeysList = Command.make(
  "list",
  { ...place, json },
  (options) => Effect.flatMap(loadKeys, ({ listProviderKeys }) => listProviderKeys(options))
).pipe(Command.withDescription("Which are kept."))
const providerKeysRemove = Command.make(
  "remove",
  { provider, alias, ...place },
  (options) => Effect.flatMap(loadKeys, ({ removeProviderKey }) => removeProviderKey(options))
).pipe(Command.withDescription("Keep it no longer."))
const providerKeysReseal = Command.make(
  "rotate-encryption",
  place,
  (options) => Effect.flatMap(loadKeys, ({ resealProviderKeys }) => resealProviderKeys(options))
).pipe(Command.withDescription("Seal all anew under the first of several keys in MAJORDOMO_ENCRYPTION_KEY."))

const providerKeys = Command.make("provider-keys").pipe(
  Command.withDescription("Providers' keys that the gateway keeps, so that clients need none."),
  Command.withSubcommands([providerKeysSet, providerKeysList, providerKeysRemove, providerKeysReseal])
)

const loadRunning = load(() => import("./running.ts"))

const limits = Command.make(
  "limits",
  { ...place, json },
  (options) => Effect.flatMap(loadRunning, ({ limits }) => limits(options))
).pipe(Command.withDescription("Limits of a gateway that runs, and what is used of them."))

const settingsShow = Command.make(
  "show",
  place,
  (options) => Effect.flatMap(loadRunning, ({ settings }) => settings(options))
).pipe(Command.withDescription("The models and limits that it goes by, as JSON."))
const settingsSet = Command.make("set", {
  file: Args.withDescription(Args.text({ name: "file" }), "JSON with models, limits or both, as in majordomo.json."),
  expected: Options.optional(
    Options.withDescription(Options.integer("expected"), "Only where this is the last version.")
  ),
  ...place
}, (options) => Effect.flatMap(loadRunning, ({ setSettings }) => setSettings(options))).pipe(
  Command.withDescription("Go by these from now on, on every replica.")
)
const settingsVersions = Command.make(
  "versions",
  { ...place, json },
  (options) => Effect.flatMap(loadRunning, ({ versions }) => versions(options))
).pipe(Command.withDescription("All that were set."))
const settingsRestore = Command.make("restore", {
  version: Args.withDescription(Args.integer({ name: "version" }), "0: the configuration file."),
  ...place
}, (options) => Effect.flatMap(loadRunning, ({ restore }) => restore(options))).pipe(
  Command.withDescription("Go by an earlier version again.")
)
const settings = Command.make("settings").pipe(
  Command.withDescription("Models and limits that are changed while the gateway runs."),
  Command.withSubcommands([settingsShow, settingsSet, settingsVersions, settingsRestore])
)

const tokensCreate = Command.make("create", {
  name: text("name", "Whose it is."),
  role: Options.choice("role", ["read", "keys", "admin"]).pipe(
    Options.withDescription("read sees, keys also makes and revokes keys, admin does everything. Default read."),
    Options.withDefault("read")
  ),
  ...place
}, (options) => Effect.flatMap(loadRunning, ({ createToken }) => createToken(options))).pipe(
  Command.withDescription("Make a token. It is printed once, on stdout.")
)
const tokensList = Command.make(
  "list",
  { ...place, json },
  (options) => Effect.flatMap(loadRunning, ({ listTokens }) => listTokens(options))
).pipe(Command.withDescription("All tokens, without their secrets."))
const tokensRevoke = Command.make("revoke", {
  name: Args.withDescription(Args.text({ name: "name" }), "All tokens of this name."),
  ...place
}, (options) => Effect.flatMap(loadRunning, ({ revokeTokens }) => revokeTokens(options))).pipe(
  Command.withDescription("End them.")
)
const tokens = Command.make("tokens").pipe(
  Command.withDescription("Tokens of those who administer a gateway that runs."),
  Command.withSubcommands([tokensCreate, tokensList, tokensRevoke])
)

const audit = Command.make("audit", {
  limit: limit(50, "Changes at most, the newest."),
  ...place,
  json
}, (options) => Effect.flatMap(loadRunning, ({ audit }) => audit(options))).pipe(
  Command.withDescription("Who changed what, the newest first.")
)

const erase = Command.make("erase", {
  label: Args.withDescription(Args.text({ name: "label=value" }), "user-id=42"),
  ...place
}, (options) => Effect.flatMap(loadRunning, ({ erase }) => erase(options))).pipe(
  Command.withDescription("Delete every row with this label, and its bodies. It cannot be undone.")
)

export const majordomo = Command.make("majordomo").pipe(
  Command.withDescription("Ask language models, and see what was asked and spent."),
  Command.withSubcommands([
    chat,
    costs,
    logs,
    models,
    spool,
    gateway,
    keys,
    providerKeys,
    limits,
    settings,
    tokens,
    audit,
    erase
  ])
)
