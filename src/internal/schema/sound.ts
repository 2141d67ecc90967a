/** Whether whoever reads a schema comes to an end of it. */
import type { JsonObject, JsonValue } from "../../Prompt.ts"
import { asJsonObject } from "../json/values.ts"
import { asList, childrenOf, isJsonObject, lookup } from "./nodes.ts"

/** Schemas that one value is held against, all references followed; each is looked at for each value. */
const mostAtOnce = 10_000
/** Values within values. */
const deepest = 500

const judged = new WeakMap<JsonObject, string>()

/** What is wrong with it, in words; undefined: nothing. */
export const unsound = (root: JsonObject): string | undefined => {
  let verdict = judged.get(root)
  if (verdict === undefined) judged.set(root, verdict = problemOf(root) ?? "")
  return verdict === "" ? undefined : verdict
}

const problemOf = (root: JsonObject): string | undefined => {
  /** How many schemas a value of this one is held against; 0 while that is being counted. */
  const counted = new Map<JsonObject, number>()
  let within: ReadonlyArray<JsonObject> = [root]
  let found: Array<JsonObject> = []
  let problem: string | undefined

  const count = (node: JsonObject, depth: number): number => {
    const known = counted.get(node)
    if (known === 0) problem ??= "refers to itself without end"
    if (known !== undefined || problem !== undefined) return known ?? 1
    if (depth > deepest) problem = `nests more than ${deepest} deep`
    if (node["$async"] !== undefined) problem = "is asynchronous ($async), which is not supported"
    counted.set(node, 0)
    found.push(node)
    let sum = 1
    for (const other of inPlace(root, node)) sum += count(other, depth + 1)
    if (sum > mostAtOnce) problem ??= `holds a value against more than ${mostAtOnce} schemas at once`
    counted.set(node, sum)
    return sum
  }

  for (let level = 0; within.length > 0; level++) {
    if (level > deepest) return `nests more than ${deepest} deep`
    found = []
    for (const node of within) count(node, 0)
    if (problem !== undefined) return problem
    within = found.flatMap((node) => [
      ...childrenOf(node),
      ...valuesOf(node["$defs"]),
      ...valuesOf(node["definitions"])
    ]).filter((node) => !counted.has(node))
  }
  return undefined
}

const valuesOf = (schemas: JsonValue | undefined): ReadonlyArray<JsonObject> =>
  Object.values(asJsonObject(schemas)).filter(isJsonObject)

/** What speaks of the same value as the schema itself. */
const inPlace = (root: JsonObject, node: JsonObject): ReadonlyArray<JsonObject> =>
  [
    ...(typeof node["$ref"] === "string" ? [lookup(root, node["$ref"])] : []),
    ...["allOf", "anyOf", "oneOf"].flatMap((key) => asList(node[key])),
    ...["not", "if", "then", "else"].map((key) => node[key]),
    ...valuesOf(node["dependentSchemas"])
  ].filter(isJsonObject)
