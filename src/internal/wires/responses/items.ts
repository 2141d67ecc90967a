/**
 * Which output item an event of a stream is about. OpenAI numbers them; some hosts leave the number out, or the id, or
 * both, and repeat everything at the end: what was streamed is not read again.
 */
import { asNumber, asObject, asString, type Loose } from "../../json/values.ts"

type Kind = "text" | "reasoning" | "call"

export interface Items {
  /** The name under which an item goes, by its id. */
  readonly byId: Map<string, string>
  /** What an event that names no item is about. */
  current: string
  /** Keys of content that came as deltas and whose whole item has not come. */
  readonly streamed: Record<Kind, Set<string>>
  /** Items that came whole: their names, and how many of each type had none. */
  readonly whole: Set<string>
  readonly unnamed: Map<string, number>
}

/** The name of the first item where a host never names one. */
const anonymous = "only"

export const make = (): Items => ({
  byId: new Map(),
  current: anonymous,
  streamed: { text: new Set(), reasoning: new Set(), call: new Set() },
  whole: new Set(),
  unnamed: new Map()
})

/** The item's number, else its id, else the item that came before. */
export const outputOf = (items: Items, data: Loose): string => {
  const id = asString(data["item_id"]) ?? asString(asObject(data["item"])["id"])
  const index = asNumber(data["output_index"])
  if (index === undefined && id === undefined) return items.current
  const output = index === undefined ? items.byId.get(id ?? "") ?? id ?? anonymous : String(index)
  if (id !== undefined) items.byId.set(id, output)
  return items.current = output
}

/** The key of content that comes in pieces. */
export const open = (items: Items, kind: Kind, output: string): string => {
  const key = `${kind}-${output}`
  items.streamed[kind].add(key)
  return key
}

/** The key of a whole item, and whether its content was streamed already. */
export const take = (
  items: Items,
  kind: Kind,
  output: string
): { readonly key: string; readonly streamed: boolean } => {
  const key = `${kind}-${output}`
  const pieces = items.streamed[kind]
  for (const candidate of [key, `${kind}-${anonymous}`]) {
    if (pieces.delete(candidate)) return { key: candidate, streamed: true }
  }
  return { key, streamed: false }
}

/** The item of an event came whole. */
export const close = (items: Items, output: string, data: Loose): void => {
  items.whole.add(output)
  items.current = anonymous
  const { id, type } = asObject(data["item"])
  if (asNumber(data["output_index"]) !== undefined || asString(id) !== undefined) return
  items.unnamed.set(String(type), (items.unnamed.get(String(type)) ?? 0) + 1)
}

const kinds: Readonly<Record<string, Kind>> = {
  message: "text",
  reasoning: "reasoning",
  function_call: "call",
  custom_tool_call: "call"
}

/** The name of an item of the final response that has not come whole; undefined for one that has. */
export const missing = (items: Items, index: number, item: Loose): string | undefined => {
  const id = asString(item["id"])
  const output = (id === undefined ? undefined : items.byId.get(id)) ?? String(index)
  if (items.whole.has(output) || items.whole.has(String(index))) return undefined
  const type = asString(item["type"]) ?? ""
  const unnamed = items.unnamed.get(type) ?? 0
  if (unnamed > 0) {
    items.unnamed.set(type, unnamed - 1)
    return undefined
  }
  const kind = kinds[type]
  if (kind === undefined || items.streamed[kind].has(`${kind}-${output}`)) return output
  // Its deltas went by another name: those of its kind that nothing has claimed, the first first.
  for (const key of items.streamed[kind]) return key.slice(kind.length + 1)
  return output
}
