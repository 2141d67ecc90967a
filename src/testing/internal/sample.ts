/** A value that matches a JSON Schema, always the same one. */
import { asArray, asNumber, asObject, asString, isObject, type Loose } from "../../internal/json/values.ts"
import type { JsonValue } from "../../Prompt.ts"

/** Deeper than this a `$ref` is not followed again where the schema lets it be left out. */
const maxNesting = 2

/** An instance of the schema. Strings are named after their property; a recursion ends as soon as it may. */
export const instance = (schema: JsonValue): JsonValue => sample(schema, { root: schema, refs: [] }, "answer") ?? null

interface Place {
  readonly root: JsonValue
  /** The references followed on the way here. */
  readonly refs: ReadonlyArray<string>
}

/** Undefined where the recursion is cut off. */
const sample = (schema: unknown, place: Place, name: string): JsonValue | undefined => {
  if (!isObject(schema)) return name
  if (schema["const"] !== undefined) return asJson(schema["const"])
  const choices = asArray(schema["enum"])
  if (choices.length > 0) return asJson(choices.find((choice) => choice !== null) ?? null)
  const all = asArray(schema["allOf"])
  if (all.length > 0) {
    const { allOf: _, ...own } = schema
    return sample([own, ...all].reduce<Loose>((left, right) => join(left, right, place.root), {}), place, name)
  }
  const ref = asString(schema["$ref"])
  if (ref !== undefined) {
    return place.refs.filter((other) => other === ref).length >= maxNesting
      ? undefined
      : sample(join({}, schema, place.root), { ...place, refs: [...place.refs, ref] }, name)
  }
  const branches = [...asArray(schema["anyOf"]), ...asArray(schema["oneOf"])]
  if (branches.length > 0) {
    for (const branch of [...branches.filter((branch) => !isNull(branch)), ...branches.filter(isNull)]) {
      const value = sample(branch, place, name)
      if (value !== undefined) return value
    }
    return undefined
  }
  switch (typeOf(schema)) {
    case "object":
      return sampleObject(schema, place)
    case "array":
      return sampleArray(schema, place, name)
    case "integer":
      return sampleNumber(schema, 1)
    case "number":
      return sampleNumber(schema, asNumber(schema["multipleOf"]))
    case "boolean":
      return true
    case "null":
      return null
    default:
      return sampleString(schema, name)
  }
}

/** Schemas come out of `JSON.parse`, so what is in them is JSON. */
const asJson = (value: unknown): JsonValue => value as JsonValue

const isNull = (schema: unknown): boolean => asObject(schema)["type"] === "null"

/** Both schemas in one, a reference on the right looked up; properties and required names add up. */
const join = (left: Loose, right: unknown, root: JsonValue): Loose => {
  const { $ref: ref, ...own } = asObject(right)
  const other = typeof ref === "string" ? join(asObject(resolve(ref, root)), own, root) : own
  const merged: Record<string, unknown> = { ...left, ...other }
  if (left["properties"] !== undefined && other["properties"] !== undefined) {
    merged["properties"] = { ...asObject(left["properties"]), ...asObject(other["properties"]) }
  }
  if (left["required"] !== undefined && other["required"] !== undefined) {
    merged["required"] = [...asArray(left["required"]), ...asArray(other["required"])]
  }
  return merged
}

const resolve = (ref: string, root: JsonValue): unknown =>
  ref.replace(/^#\/?/, "").split("/").filter((step) => step !== "").reduce<unknown>(
    (at, step) => asObject(at)[decodeURIComponent(step).replaceAll("~1", "/").replaceAll("~0", "~")],
    root
  )

/** Gemini writes its types in capitals. */
const typeOf = (schema: Loose): string | undefined => {
  const { type } = schema
  const named = Array.isArray(type) ? type.find((one) => one !== "null") ?? "null" : type
  if (typeof named === "string") return named.toLowerCase()
  if (schema["properties"] !== undefined || schema["additionalProperties"] !== undefined) return "object"
  return schema["items"] !== undefined || schema["prefixItems"] !== undefined ? "array" : undefined
}

const sampleObject = (schema: Loose, place: Place): JsonValue | undefined => {
  const properties = asObject(schema["properties"])
  const required = new Set(asArray(schema["required"]))
  const value: Record<string, JsonValue> = {}
  for (const name of new Set([...Object.keys(properties), ...[...required].filter((key) => typeof key === "string")])) {
    const field = sample(properties[name] ?? true, place, name)
    if (field !== undefined) value[name] = field
    else if (required.has(name)) return undefined
  }
  const rest = schema["additionalProperties"] ?? Object.values(asObject(schema["patternProperties"]))[0]
  if (Object.keys(value).length === 0 && isObject(rest)) {
    const key = asString(sample(schema["propertyNames"] ?? keyOf(schema), place, "key")) ?? "key"
    const field = sample(rest, place, key)
    if (field !== undefined) value[key] = field
  }
  return value
}

const keyOf = (schema: Loose): Loose => {
  const [pattern] = Object.keys(asObject(schema["patternProperties"]))
  return pattern === undefined ? { type: "string" } : { type: "string", pattern }
}

const sampleArray = (schema: Loose, place: Place, name: string): JsonValue | undefined => {
  const { items } = schema
  const fixed = Array.isArray(items) ? items : asArray(schema["prefixItems"])
  const value: Array<JsonValue> = []
  for (const item of fixed) {
    const element = sample(item, place, name)
    if (element === undefined) return undefined
    value.push(element)
  }
  const least = asNumber(schema["minItems"]) ?? 0
  const most = asNumber(schema["maxItems"]) ?? Infinity
  const more = Array.isArray(items) ? schema["additionalItems"] : items
  const wanted = Math.min(Math.max(least, fixed.length === 0 ? 1 : 0), most)
  for (let i = value.length; i < wanted; i++) {
    const element = sample(more ?? true, place, i === 0 ? name : `${name}${i + 1}`)
    if (element === undefined) return i < least ? undefined : value
    value.push(element)
  }
  return value
}

const sampleNumber = (schema: Loose, step: number | undefined): number => {
  const exact = asNumber(schema["multipleOf"]) ?? step
  const nudge = exact ?? 0.5
  const low = asNumber(schema["minimum"])
  const above = asNumber(schema["exclusiveMinimum"])
  const high = asNumber(schema["maximum"])
  const below = asNumber(schema["exclusiveMaximum"])
  const floor = low ?? (above === undefined ? undefined : between(above, below ?? high, nudge))
  const ceiling = high ?? (below === undefined ? undefined : between(below, above ?? low, -nudge))
  let value = Math.max(1, floor ?? 1)
  if (ceiling !== undefined && value > ceiling) value = ceiling
  if (exact === undefined) return value
  const rounded = Math.ceil(value / exact) * exact
  return ceiling !== undefined && rounded > ceiling ? Math.floor(ceiling / exact) * exact : rounded
}

/** A number just past an exclusive bound, and not past the other one. */
const between = (bound: number, other: number | undefined, nudge: number): number =>
  other !== undefined && Math.abs(other - bound) <= Math.abs(nudge) && nudge !== Math.trunc(nudge)
    ? (bound + other) / 2
    : bound + nudge

const date = "2026-01-02T03:04:05.000Z"

const formats: Readonly<Record<string, string>> = {
  "date-time": date,
  date: date.slice(0, 10),
  time: date.slice(11),
  duration: "PT1S",
  email: "ada@example.com",
  hostname: "example.com",
  ipv4: "192.0.2.1",
  ipv6: "2001:db8::1",
  uri: "https://example.com/",
  url: "https://example.com/",
  uuid: "00000000-0000-4000-8000-000000000001"
}

/** Strings that `Schema` decodes into something else say so only in their description. */
const decoded: ReadonlyArray<readonly [into: RegExp, text: string]> = [
  [/decoded into a Date/, date],
  [/decoded into a (number|bigint|BigDecimal|Big)/, "1"],
  [/decoded into a boolean/, "true"]
]

const sampleString = (schema: Loose, name: string): string => {
  const description = asString(schema["description"]) ?? ""
  const text = formats[asString(schema["format"]) ?? ""] ??
    decoded.find(([into]) => into.test(description))?.[1] ?? name
  const pattern = asString(schema["pattern"])
  const fits = (candidate: string) => pattern === undefined || matches(pattern, candidate)
  const least = asNumber(schema["minLength"]) ?? 0
  const most = asNumber(schema["maxLength"]) ?? Infinity
  for (const candidate of [text, ...Object.values(formats), ...spelled]) {
    const sized = candidate.repeat(Math.max(1, Math.ceil(least / Math.max(1, candidate.length)))).slice(0, most)
    if (fits(sized)) return sized
  }
  return text
}

const letters = ["a", "A", "1", "a1", "A1", "a-1", "A-1", "a_1", "#aabbcc", "+1"]

/** Something for the patterns people write: codes of one to ten letters or digits. */
const spelled: ReadonlyArray<string> = [
  ...letters,
  ...Array.from({ length: 9 }, (_, i) => ["a", "A", "1"].map((letter) => letter.repeat(i + 2))).flat(),
  "v1.0.0",
  "1.0",
  "A-123",
  "AB-123",
  "ABC-123",
  "ABC-1234"
]

const matches = (pattern: string, text: string): boolean => {
  try {
    return new RegExp(pattern, "u").test(text)
  } catch {
    return true
  }
}
