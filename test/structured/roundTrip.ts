/** A schema in a dialect, held against the provider's rules, and values through a model's words and back. */
import { assert } from "@effect/vitest"
import { find } from "../../src/internal/json/find.ts"
import { codec as makeCodec } from "../../src/internal/schema/codec.ts"
import * as dialect from "../../src/internal/schema/dialect.ts"
import { checkers, isRecord, type Json, type JsonRecord } from "./checkers.ts"
import { makeModel } from "./model.ts"
import type { Entry } from "./schemas.ts"

export const dialects = [
  dialect.openAIStrict,
  dialect.anthropicConstrained,
  dialect.gemini,
  dialect.cohere,
  dialect.plain
] as const

export type DialectName = keyof typeof checkers

const isName = (name: string): name is DialectName => Object.hasOwn(checkers, name)

/** What each dialect may say no to. */
const mayRefuse: { readonly [name in DialectName]: ReadonlyArray<Reason> } = {
  "openai-strict": ["open", "anything", "large"],
  "anthropic-constrained": ["open", "anything", "recursive", "unions"],
  gemini: ["recursive without a property"],
  cohere: ["recursive", "no properties"],
  plain: []
}

type Reason = "open" | "anything" | "recursive" | "recursive without a property" | "no properties" | "large" | "unions"

/** What is in a schema that some dialects have no words for. */
const reasonsOf = (root: JsonRecord): ReadonlySet<Reason> => {
  const found = new Set<Reason>()
  let levels = 0
  let values = 0
  let unions = 0
  const walk = (node: Json | undefined, depth: number, open: ReadonlyArray<string>): void => {
    if (!isRecord(node)) return
    levels = Math.max(levels, depth)
    const ref = node["$ref"]
    if (typeof ref === "string") {
      if (open.includes(ref)) {
        found.add("recursive")
        if (!open.slice(open.indexOf(ref)).includes("property")) found.add("recursive without a property")
        return
      }
      const definitions = isRecord(root["$defs"]) ? root["$defs"] : {}
      walk(definitions[ref.slice("#/$defs/".length).replaceAll("~1", "/").replaceAll("~0", "~")], depth, [...open, ref])
      return
    }
    const { additionalProperties: extra, anyOf, enum: options, items, properties, type } = node
    const fields = isRecord(properties) ? Object.entries(properties) : []
    if (type === "object" && fields.length === 0) found.add("no properties")
    if (type === "object" && ((extra !== undefined && extra !== false) || node["patternProperties"] !== undefined)) {
      found.add("open")
    }
    if (type === "object" && fields.length === 0 && extra === undefined) found.add("open")
    if (["type", "anyOf", "enum", "allOf"].every((key) => node[key] === undefined)) found.add("anything")
    if (type === "array" && items === undefined) found.add("anything")
    if (Array.isArray(options)) {
      values += options.length
      if (options.length > 250 && JSON.stringify(options).length > 15_000) found.add("large")
    }
    if (Array.isArray(anyOf)) unions++
    const required = Array.isArray(node["required"]) ? node["required"] : []
    unions += fields.filter(([name]) => !required.includes(name)).length
    const inner = type === "object" || type === "array" ? depth + 1 : depth
    const lists = [anyOf, node["allOf"], Array.isArray(items) ? items : [items]]
    for (const [, field] of fields) walk(field, inner, [...open, "property"])
    for (const child of lists.flatMap((list) => Array.isArray(list) ? list : [])) walk(child, inner, open)
    walk(extra, inner, open)
    walk(node["additionalItems"], inner, open)
    for (const child of Object.values(isRecord(node["patternProperties"]) ? node["patternProperties"] : {})) {
      walk(child, inner, open)
    }
  }
  walk(root["$ref"] === undefined ? root : { $ref: root["$ref"] }, 0, [])
  if (levels > 9 || values > 1000) found.add("large")
  if (unions > 16) found.add("unions")
  return found
}

/** A union, a list or a scalar at the root is wrapped in `{ "value": … }` where the root must be an object. */
const isWrapped = (asked: JsonRecord, into: dialect.Dialect): boolean => {
  if (into.name === "gemini") return false
  const ref = asked["$ref"]
  const definitions = isRecord(asked["$defs"]) ? asked["$defs"] : {}
  const name = typeof ref === "string" ? ref.slice("#/$defs/".length).replaceAll("~1", "/").replaceAll("~0", "~") : ""
  const root = typeof ref === "string" ? definitions[name] : asked
  return !isRecord(root) ||
    (root["$ref"] !== undefined ? isWrapped({ ...root, $defs: definitions }, into)
      : root["type"] !== "object" || root["anyOf"] !== undefined)
}

/** Gives how many values came back; fails on the first that did not. */
export const roundTrip = (entry: Entry, into: dialect.Dialect, count = 25, seed = 1): number => {
  const { asked } = entry
  assert.isTrue(isName(into.name))
  if (!isName(into.name)) return 0
  const made = makeCodec(asked, into)
  if (made === undefined) {
    const reasons = reasonsOf(asked)
    assert.isTrue(mayRefuse[into.name].some((reason) => reasons.has(reason)), `refused: ${JSON.stringify(asked)}`)
    return 0
  }
  const { schema } = made
  assert.deepStrictEqual(checkers[into.name](schema), [], JSON.stringify(schema))
  const model = makeModel(schema, isWrapped(asked, into))
  const samples = entry.samples(count, seed)
  for (const sample of samples) {
    const found = find(JSON.stringify(model(sample.encoded)))
    assert.strictEqual(found._tag, "Found")
    if (found._tag === "Found") assert.isUndefined(sample.differs(made.restore(found.value)), JSON.stringify(schema))
  }
  return samples.length
}
