/** A client's body, read field by field: what is wrong is named by its place, and what nobody read is known. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { Request } from "../../LLM.ts"
import type { Output } from "../../Output.ts"
import * as Prompt from "../../Prompt.ts"
import { asJsonObject, isObject, type Loose } from "../json/values.ts"
import type { Asked, Rejection, Source } from "./serving.ts"

/** Thrown where a field is read, caught in one place. */
class Rejected {
  readonly rejection: Rejection
  constructor(message: string, parameter: string | undefined) {
    this.rejection = { message, parameter }
  }
}

export const reject = (message: string, parameter?: string): never => {
  throw new Rejected(message, parameter)
}

/** Reads a body; what is rejected in it becomes a value. */
export const reading = (
  body: unknown,
  source: Source,
  asked: (fields: Fields, source: Source) => Asked
): Either.Either<Asked, Rejection> => {
  if (!isObject(body)) return Either.left({ message: "the body is no JSON object", parameter: undefined })
  try {
    return Either.right(asked(new Fields(body, ""), source))
  } catch (thrown) {
    if (thrown instanceof Rejected) return Either.left(thrown.rejection)
    throw thrown
  }
}

/** An object of a body. Null counts as absent. */
export class Fields {
  readonly value: Loose
  readonly at: string
  private readonly seen = new Set<string>()
  private readonly inner: Array<readonly [name: string, fields: Fields]> = []

  constructor(value: Loose, at: string) {
    this.value = value
    this.at = at
  }

  place(name: string): string {
    return this.at === "" ? name : `${this.at}.${name}`
  }

  take(name: string): unknown {
    this.seen.add(name)
    return this.value[name] ?? undefined
  }

  text(name: string): string | undefined {
    const value = this.take(name)
    if (value === undefined || typeof value === "string") return value
    return reject(`${this.place(name)} must be a text`, this.place(name))
  }

  needed(name: string): string {
    return this.text(name) ?? reject(`${this.place(name)} is missing`, this.place(name))
  }

  number(name: string): number | undefined {
    const value = this.take(name)
    if (value === undefined || typeof value === "number") return value
    return reject(`${this.place(name)} must be a number`, this.place(name))
  }

  flag(name: string): boolean | undefined {
    const value = this.take(name)
    if (value === undefined || typeof value === "boolean") return value
    return reject(`${this.place(name)} must be true or false`, this.place(name))
  }

  object(name: string): Fields | undefined {
    const value = this.take(name)
    if (value === undefined) return undefined
    return isObject(value)
      ? this.within(name, value, this.place(name))
      : reject(`${this.place(name)} must be an object`, this.place(name))
  }

  private within(name: string, value: Loose, at: string): Fields {
    const fields = new Fields(value, at)
    this.inner.push([name, fields])
    return fields
  }

  /** What was read under these names, and all that was read in it. */
  read(...names: ReadonlyArray<string>): ReadonlyArray<Fields> {
    return this.inner.flatMap(([name, fields]) => names.includes(name) ? [fields, ...fields.all] : [])
  }

  private get all(): ReadonlyArray<Fields> {
    return this.inner.flatMap(([, fields]) => [fields, ...fields.all])
  }

  list(name: string): ReadonlyArray<unknown> {
    const value = this.take(name)
    if (value === undefined) return []
    return Array.isArray(value) ? value : reject(`${this.place(name)} must be a list`, this.place(name))
  }

  /** A list of objects. */
  objects(name: string): ReadonlyArray<Fields> {
    return this.list(name).map((item, i) => {
      const at = `${this.place(name)}[${i}]`
      return isObject(item) ? this.within(name, item, at) : reject(`${at} must be an object`, at)
    })
  }

  texts(name: string): ReadonlyArray<string> {
    return this.list(name).map((item, i) =>
      typeof item === "string" ? item : reject(`${this.place(name)}[${i}] must be a text`, this.place(name))
    )
  }

  json(name: string): Prompt.JsonObject | undefined {
    const value = this.take(name)
    if (value === undefined) return undefined
    return isObject(value) ? asJsonObject(value) : reject(`${this.place(name)} must be an object`, this.place(name))
  }

  /** Refuses what nobody here can do. */
  refuse(name: string, message: string, isHarmless: (value: unknown) => boolean = () => false): void {
    const value = this.take(name)
    if (value !== undefined && !isHarmless(value)) reject(message, this.place(name))
  }

  /** Fields that change nothing here. */
  skip(...names: ReadonlyArray<string>): void {
    for (const name of names) this.seen.add(name)
  }

  /** Fields that only one provider takes, as they are. */
  pass(...names: ReadonlyArray<string>): Loose {
    return Object.fromEntries(names.flatMap((name) => {
      const value = this.take(name)
      return value === undefined ? [] : [[name, value]]
    }))
  }

  /** What nobody has looked at. */
  get left(): ReadonlyArray<string> {
    return Object.keys(this.value).filter((name) => !this.seen.has(name) && this.value[name] !== null)
      .map((name) => this.place(name))
  }
}

/** Without the fields that are undefined. */
export const present = <A extends object>(fields: A): A =>
  // What is left has the types it had.
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as A

/** Fields that only one provider takes, by the name under which they reach it. */
export type Passed = Readonly<Record<string, Loose>>

/** They go into a header. */
const mostWarnings = 30

/** Says of fields that were not looked at, or that reach one provider only, as the client calls them. */
export const warningsOf = (
  fields: ReadonlyArray<Fields | undefined>,
  passed: Passed,
  provider: string
): ReadonlyArray<string> => [
  ...fields.flatMap((one) => one?.left ?? []).slice(0, mostWarnings).map((name) =>
    `${name} is not known here and was left out`
  ),
  ...Object.entries(passed).flatMap(([native, own]) =>
    native === provider ? [] : Object.keys(own).map((name) => `${name} is taken by ${native} only`)
  )
]

export const providerOptionsOf = (passed: Passed): Pick<Request<string>, "providerOptions"> => {
  const filled = Object.entries(passed).filter(([, own]) => Object.keys(own).length > 0)
  return filled.length === 0 ? {} : { providerOptions: Object.fromEntries(filled) }
}

const textOutput = (format: Output<string>["format"]): Output<string> => ({
  format,
  // The client has asked for the JSON, and validates it itself.
  decode: (value) => Effect.succeed(JSON.stringify(value)),
  onToolCalls: { content: "" }
})

export const jsonOutput: Output<string> = textOutput({ type: "json" })

export const schemaOutput = (
  schema: Prompt.JsonObject,
  name: string | undefined,
  description: string | undefined
): Output<string> =>
  textOutput({
    type: "schema",
    name: (name ?? "").replace(/[^a-zA-Z0-9_-]+/g, "_").slice(0, 64) || "answer",
    ...(description === undefined ? {} : { description }),
    schema
  })

export const cacheOf = (fields: Fields): { readonly cache?: "5m" | "1h" } => {
  const control = fields.object("cache_control")
  return control === undefined ? {} : { cache: control.text("ttl") === "1h" ? "1h" : "5m" }
}

/** An address, or a `data:` URL with the content in it. */
export const imageOf = (url: string, at: string, detail?: string): Prompt.ImagePart => {
  if (!/^(https?:|data:|gs:)/i.test(url.slice(0, 16))) reject(`${at} must be an address or a data: URL`, at)
  return Prompt.image(url, { detail: detail === "low" || detail === "high" || detail === "auto" ? detail : undefined })
}

type UserPart = Exclude<Prompt.UserMessage["content"], string>[number]

/** A conversation as it is read. The parts of one answer, and results side by side, are one message. */
export class Conversation {
  readonly messages: Array<Prompt.Message> = []
  private readonly names = new Map<string, string>()
  /** The parts of the last message, while more of its kind may follow. */
  private answer: Array<Prompt.AssistantPart> | undefined
  private results: Array<Prompt.ToolResultPart> | undefined

  private add(message: Prompt.Message): void {
    this.answer = undefined
    this.results = undefined
    this.messages.push(message)
  }

  system(content: Prompt.SystemMessage["content"]): void {
    if (content.length > 0) this.add({ role: "system", content })
  }

  user(content: string | ReadonlyArray<UserPart>): void {
    if (content.length > 0) this.add({ role: "user", content })
  }

  assistant(parts: ReadonlyArray<Prompt.AssistantPart>): void {
    if (parts.length === 0) return
    if (this.answer === undefined) {
      const content: Array<Prompt.AssistantPart> = []
      this.add({ role: "assistant", content })
      this.answer = content
    }
    for (const part of parts) {
      if (part.type === "tool-call") this.names.set(part.id, part.name)
      this.answer.push(part)
    }
  }

  result(result: Omit<Prompt.ToolResultPart, "type" | "name">, at: string): void {
    const name = this.names.get(result.id)
    if (name === undefined) return reject(`${at}: there is no tool call ${JSON.stringify(result.id)} before it`, at)
    this.named({ type: "tool-result", name, ...result })
  }

  named(result: Prompt.ToolResultPart): void {
    if (this.results === undefined) {
      const content: Array<Prompt.ToolResultPart> = []
      this.add({ role: "tool", content })
      this.results = content
    }
    this.results.push(result)
  }
}

/** A call with its arguments as text. */
export const toolCallOf = (
  id: string,
  name: string,
  raw: string,
  parsed: Prompt.JsonValue,
  providerMetadata: Prompt.ProviderMetadata | undefined
): Prompt.ToolCallPart => ({
  type: "tool-call",
  id,
  name,
  arguments: parsed,
  ...(raw === "" ? {} : { rawArguments: raw }),
  ...(providerMetadata === undefined ? {} : { providerMetadata })
})

/** A text, or the texts of a list of parts of these types. */
export const textIn = (fields: Fields, name: string, types: ReadonlyArray<string>): string => {
  const value = fields.take(name)
  if (value === undefined || typeof value === "string") return value ?? ""
  return fields.objects(name).map((part) => {
    const type = part.text("type") ?? "text"
    if (!types.includes(type)) reject(`${part.at}: a part of the type ${type} cannot stand here`, part.at)
    return part.text("text") ?? part.text("refusal") ?? ""
  }).join("")
}

/** Labels of a call: texts by name. */
export const labelsOf = (metadata: Fields | undefined, user: string | undefined): Pick<Request<string>, "metadata"> => {
  const labels: Record<string, string> = {}
  for (const [name, value] of Object.entries(metadata?.value ?? {})) {
    if (typeof value === "string") labels[name] = value
    else if (value !== null) reject(`${metadata?.place(name)} must be a text`, metadata?.place(name))
  }
  if (user !== undefined) labels["user-id"] ??= user
  return Object.keys(labels).length === 0 ? {} : { metadata: labels }
}

const efforts = ["none", "minimal", "low", "medium", "high", "xhigh", "max"] as const

export const effortOf = (value: string | undefined, at: string): (typeof efforts)[number] | undefined =>
  value === undefined
    ? undefined
    : efforts.find((effort) => effort === value.toLowerCase()) ??
      reject(`${at} must be one of ${efforts.join(", ")}`, at)
