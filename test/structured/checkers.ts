/**
 * What providers say of the schemas they take, written down a second time and apart from the library, so that the two
 * can be held against each other. A checker gives the rules that a schema breaks; none is right.
 */
import type { ValidateFunction } from "ajv"
import formats from "ajv-formats"
import { Ajv2020 } from "ajv/dist/2020.js"

export type Json = null | boolean | number | string | ReadonlyArray<Json> | { readonly [key: string]: Json }
export type JsonRecord = { readonly [key: string]: Json }

export type Checker = (schema: JsonRecord) => ReadonlyArray<string>

export const isRecord = (value: unknown): value is JsonRecord =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const recordOf = (value: Json | undefined): JsonRecord => isRecord(value) ? value : {}
const listOf = (value: Json | undefined): ReadonlyArray<Json> => Array.isArray(value) ? value : []

const ajv = formats.default(
  new Ajv2020({ strict: false, logger: false, validateFormats: false, ownProperties: true })
)

const compiled = new WeakMap<JsonRecord, ValidateFunction>()

export const validatorOf = (schema: JsonRecord): ValidateFunction => {
  const known = compiled.get(schema) ?? ajv.compile(schema)
  compiled.set(schema, known)
  return known
}

interface Place {
  readonly path: string
  readonly node: Json
}

/** The schemas directly inside a schema; what may be inside a value (`enum`, `const`, `examples`) is none. */
const childrenOf = (node: JsonRecord, path = ""): ReadonlyArray<Place> => [
  ...["properties", "patternProperties", "$defs", "definitions"].flatMap((key) =>
    Object.entries(recordOf(node[key])).map(([name, child]) => ({
      path: `${path}/${key}/${JSON.stringify(name)}`,
      node: child
    }))
  ),
  ...["anyOf", "oneOf", "allOf", "prefixItems"].flatMap((key) =>
    listOf(node[key]).map((child, i) => ({ path: `${path}/${key}/${i}`, node: child }))
  ),
  ...["items", "additionalProperties", "propertyNames", "not", "contains"].flatMap((key) => {
    const child = node[key]
    return child === undefined ? [] : [{ path: `${path}/${key}`, node: child }]
  })
]

const everyPlace = (node: Json, path = "#"): ReadonlyArray<Place> => [
  { path, node },
  ...(isRecord(node) ? childrenOf(node, path).flatMap((child) => everyPlace(child.node, child.path)) : [])
]

const hasType = (node: JsonRecord, type: string): boolean =>
  listOf(node["type"]).includes(type) || node["type"] === type

/** The definition a reference names, by its own words: `#`, or `#/$defs/<name>`. */
export const definitionOf = (root: JsonRecord, ref: Json | undefined): Json | undefined => {
  if (ref === "#") return root
  const name = typeof ref === "string" ? /^#\/\$defs\/([^/]+)$/.exec(ref)?.[1] : undefined
  const definitions = recordOf(root["$defs"])
  return name === undefined || !Object.hasOwn(definitions, name) ? undefined : definitions[name]
}

const keywordsIn = (allowed: ReadonlyArray<string>): Checker => (root) =>
  everyPlace(root).flatMap(({ node, path }) =>
    isRecord(node)
      ? Object.keys(node).filter((key) => !allowed.includes(key)).map((key) => `${path}: keyword ${key}`)
      : []
  )

const formatsIn = (allowed: ReadonlyArray<string>): Checker => (root) =>
  everyPlace(root).flatMap(({ node, path }) =>
    isRecord(node) && node["format"] !== undefined && !allowed.some((format) => format === node["format"])
      ? [`${path}: format ${JSON.stringify(node["format"])}`]
      : []
  )

const validJsonSchema: Checker = (root) => {
  try {
    validatorOf(root)
    return []
  } catch (error) {
    return [`no JSON Schema: ${String(error)}`]
  }
}

const rootIsObject: Checker = (root) =>
  root["type"] === "object" && root["anyOf"] === undefined && root["oneOf"] === undefined && root["$ref"] === undefined
    ? []
    : ["#: the root is no object"]

const closedAndRequired: Checker = (root) =>
  everyPlace(root).flatMap(({ node, path }) => {
    if (!isRecord(node) || !hasType(node, "object")) return []
    const names = Object.keys(recordOf(node["properties"]))
    const required = listOf(node["required"])
    return [
      ...(node["additionalProperties"] === false ? [] : [`${path}: not closed`]),
      ...names.filter((name) => !required.includes(name)).map((name) => `${path}: ${name} is not required`),
      ...required.filter((name) => !names.includes(String(name))).map((name) =>
        `${path}: requires unknown ${String(name)}`
      )
    ]
  })

const referencesResolve: Checker = (root) =>
  everyPlace(root).flatMap(({ node, path }) => {
    if (!isRecord(node) || node["$ref"] === undefined) return []
    return [
      ...(definitionOf(root, node["$ref"]) === undefined ? [`${path}: ${JSON.stringify(node["$ref"])} is not there`]
        : []),
      ...(Object.keys(node).every((key) => key.startsWith("$")) ? [] : [`${path}: keywords beside $ref`])
    ]
  })

/** Every schema says what it is: an unconstrained one cannot be compiled to a grammar. */
const saysWhat: Checker = (root) =>
  everyPlace(root).flatMap(({ node, path }) =>
    typeof node === "boolean" || !isRecord(node)
      ? path.endsWith("/additionalProperties") ? [] : [`${path}: not a schema object`]
      : ["type", "anyOf", "$ref", "enum", "const"].some((key) => node[key] !== undefined)
      ? hasType(node, "array") && node["items"] === undefined ? [`${path}: an array of anything`] : []
      : [`${path}: anything`]
  )

const scalarEnums = (types: ReadonlyArray<string>): Checker => (root) =>
  everyPlace(root).flatMap(({ node, path }) =>
    isRecord(node)
      ? [...listOf(node["enum"]), ...(node["const"] === undefined ? [] : [node["const"]])]
        .filter((value) => !types.includes(value === null ? "null" : typeof value))
        .map((value) => `${path}: enum value ${JSON.stringify(value)}`)
      : []
  )

/** References in a schema, those behind properties that may be left out apart. */
const referencesIn = (node: Json, throughOptional: boolean): ReadonlyArray<string> => {
  if (!isRecord(node)) return []
  const required = listOf(node["required"])
  const optional = Object.entries(recordOf(node["properties"])).filter(([name]) => !required.includes(name))
  const own = typeof node["$ref"] === "string" ? [node["$ref"]] : []
  return [
    ...own,
    ...childrenOf(node)
      .filter(({ path }) => !path.startsWith("/$defs"))
      .filter(({ node }) => throughOptional || !optional.some(([, child]) => child === node))
      .flatMap(({ node }) => referencesIn(node, throughOptional))
  ]
}

const cycles = (throughOptional: boolean, message: string): Checker => (root) => {
  const reaches = (ref: string, seen: ReadonlyArray<string>): boolean =>
    referencesIn(definitionOf(root, ref) ?? null, throughOptional).some((next) =>
      next === seen[0] || (!seen.includes(next) && reaches(next, [...seen, next]))
    )
  return ["#", ...Object.keys(recordOf(root["$defs"])).map((name) => `#/$defs/${name}`)]
    .filter((ref) => reaches(ref, [ref]))
    .map((ref) => `${ref}: ${message}`)
}

/** Levels of objects and arrays below the root; what is referred to counts where it is referred to, cycles once. */
const depthOf = (root: JsonRecord, node: Json, seen: ReadonlyArray<string>): number => {
  if (!isRecord(node)) return 0
  const ref = node["$ref"]
  if (typeof ref === "string") {
    return seen.includes(ref) ? 0 : depthOf(root, definitionOf(root, ref) ?? null, [...seen, ref])
  }
  const below = childrenOf(node).filter(({ path }) => !path.startsWith("/$defs"))
  const own = hasType(node, "object") || hasType(node, "array") ? 1 : 0
  return own + Math.max(0, ...below.map((child) => depthOf(root, child.node, seen)))
}

const openAILimits: Checker = (root) => {
  const nodes = everyPlace(root).flatMap(({ node }) => isRecord(node) ? [node] : [])
  const names = nodes.flatMap((node) => Object.keys(recordOf(node["properties"])))
  const enums = nodes.flatMap((node) => Array.isArray(node["enum"]) ? [listOf(node["enum"])] : [])
  const sizeOf = (values: ReadonlyArray<Json>) =>
    values.reduce<number>((sum, value) => sum + (typeof value === "string" ? value : JSON.stringify(value)).length, 0)
  const constants = nodes.flatMap((node) => node["const"] === undefined ? [] : [node["const"]])
  const definitions = Object.keys(recordOf(root["$defs"]))
  return [
    ...(depthOf(root, root, []) > 10 ? ["more than 10 levels"] : []),
    ...(names.length > 5000 ? ["more than 5000 properties"] : []),
    ...(enums.flat().length > 1000 ? ["more than 1000 enum values"] : []),
    ...(sizeOf([...names, ...enums.flat(), ...constants, ...definitions]) > 120_000 ? ["more than 120,000 characters"]
      : []),
    ...(enums.some((values) => values.length > 250 && sizeOf(values) > 15_000) ? ["an enum is too large"] : [])
  ]
}

const anthropicLimits: Checker = (root) => {
  const unions = everyPlace(root).filter(({ node }) =>
    isRecord(node) && (node["anyOf"] !== undefined || Array.isArray(node["type"]))
  )
  return unions.length > 16 ? [`${unions.length} parameters with union types`] : []
}

const oneRequired: Checker = (root) =>
  everyPlace(root).flatMap(({ node, path }) =>
    isRecord(node) && hasType(node, "object") && listOf(node["required"]).length === 0
      ? [`${path}: no required property`]
      : []
  )

const all = (...checkers: ReadonlyArray<Checker>): Checker => (schema) => checkers.flatMap((check) => check(schema))

const structure = ["type", "properties", "required", "additionalProperties", "items", "enum", "anyOf"] as const
const told = ["description", "title"] as const
const scalars = ["string", "number", "boolean", "null"] as const

export const checkers = {
  /** Source: developers.openai.com/api/docs/guides/structured-outputs, "Supported schemas", read 2026-11. */
  "openai-strict": all(
    validJsonSchema,
    rootIsObject,
    closedAndRequired,
    referencesResolve,
    saysWhat,
    scalarEnums(scalars),
    openAILimits,
    formatsIn(["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"]),
    keywordsIn([
      ...structure,
      ...told,
      "const",
      "$ref",
      "$defs",
      "pattern",
      "format",
      "multipleOf",
      "minimum",
      "maximum",
      "exclusiveMinimum",
      "exclusiveMaximum",
      "minItems",
      "maxItems"
    ])
  ),
  /**
   * Source: platform.claude.com/docs/en/build-with-claude/structured-outputs, "JSON Schema limitations" and "Schema
   * complexity limits", read 2026-11.
   */
  "anthropic-constrained": all(
    validJsonSchema,
    rootIsObject,
    closedAndRequired,
    referencesResolve,
    saysWhat,
    scalarEnums(scalars),
    cycles(true, "refers to itself"),
    anthropicLimits,
    keywordsIn([...structure, ...told, "const", "$ref", "$defs"])
  ),
  /** Source: ai.google.dev/api/generate-content, `GenerationConfig.responseJsonSchema`, read 2026-11. */
  gemini: all(
    validJsonSchema,
    referencesResolve,
    scalarEnums(["string", "number"]),
    cycles(false, "refers to itself through required properties only"),
    keywordsIn([
      ...structure,
      ...told,
      "$id",
      "$defs",
      "$ref",
      "$anchor",
      "format",
      "prefixItems",
      "minItems",
      "maxItems",
      "minimum",
      "maximum",
      "oneOf",
      "propertyOrdering"
    ])
  ),
  /**
   * Source: docs.cohere.com/v2/docs/structured-outputs, "Schema constraints" and "Unsupported schema features", read
   * 2026-11. It takes references and some patterns and formats too; the older models behind the same wire do not.
   */
  cohere: all(validJsonSchema, rootIsObject, oneRequired, scalarEnums(scalars), keywordsIn([...structure, ...told])),
  /** Source: the tool sections of the same pages; json-schema.org/draft/2020-12. */
  plain: all(validJsonSchema, rootIsObject, referencesResolve)
} as const
