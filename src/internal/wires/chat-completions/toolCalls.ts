/**
 * Which call a piece of a streamed tool call belongs to. Hosts number every call 0 or none, send the id before the name
 * or with every piece or never, and the name in pieces: one call stays one call.
 */
import type { ProviderMetadata } from "../../../Prompt.ts"
import type { Completion } from "../../call/completion.ts"
import type { Call } from "../../call/driver.ts"
import { Brackets } from "../../json/brackets.ts"
import { asJsonObject, asNumber, asObject, asString, isObject, type Loose } from "../../json/values.ts"
import { name } from "./request.ts"

interface OpenCall {
  readonly key: string
  id: string
  name: string
  metadata: ProviderMetadata | undefined
  /** Nothing is told of a call before its name is known to be whole. */
  announced: boolean
  readonly brackets: Brackets
}

export interface ToolCalls {
  readonly byIndex: Map<number, OpenCall>
  /** By index and id: some hosts give several calls the same id, others the same index. */
  readonly byId: Map<string, OpenCall>
  last: OpenCall | undefined
  count: number
  waiting: Array<OpenCall>
}

export const make = (): ToolCalls => ({
  byIndex: new Map(),
  byId: new Map(),
  last: undefined,
  count: 0,
  waiting: []
})

interface Piece {
  readonly index: number | undefined
  readonly id: string
  readonly name: string
  /** Text, or a value where a host sends arguments parsed. */
  readonly input: unknown
  readonly metadata: ProviderMetadata | undefined
}

const pieceOf = (item: Loose, position: number | undefined): Piece => {
  const fn = asObject(item["function"])
  const extra = item["extra_content"]
  const carried = item["majordomo"]
  const own = {
    ...(isObject(extra) ? { extra_content: asJsonObject(extra) } : {}),
    ...(isObject(carried) ? { majordomo: asJsonObject(carried) } : {})
  }
  return {
    index: asNumber(item["index"]) ?? position,
    id: asString(item["id"]) ?? "",
    name: asString(fn["name"]) ?? "",
    input: fn["arguments"],
    metadata: Object.keys(own).length === 0 ? undefined : { [name]: own }
  }
}

/** The calls of an answer that is not streamed: each of them is whole. */
export const readWhole = (items: ReadonlyArray<unknown>, completion: Completion): void => {
  for (const [i, item] of items.entries()) {
    const { id, input, metadata, name } = pieceOf(asObject(item), undefined)
    const key = `tool-${i}`
    completion.toolCall(key, { id, name, metadata })
    completion.toolArguments(key, input)
  }
}

/** The pieces in one event. */
export const readPieces = (
  calls: ToolCalls,
  items: ReadonlyArray<unknown>,
  completion: Completion,
  call: Call
): void => {
  // Where several come at once without a number, their place is their number.
  for (const [i, item] of items.entries()) {
    readPiece(calls, pieceOf(asObject(item), items.length > 1 ? i : undefined), completion, call)
  }
}

/** Announces what waits for the rest of a name: nothing more comes. */
export const flush = (calls: ToolCalls, completion: Completion): void => {
  for (const waiting of calls.waiting) announce(waiting, completion)
  calls.waiting = []
}

const readPiece = (calls: ToolCalls, piece: Piece, completion: Completion, call: Call): void => {
  const declared = (name: string) => call.tools.some((tool) => tool.name === name)
  const known = find(calls, piece)
  const target = known === undefined || isAnother(known, piece, declared) ? add(calls) : known
  calls.last = target
  if (piece.index !== undefined) calls.byIndex.set(piece.index, target)
  if (target.id === "") target.id = piece.id
  if (piece.id !== "" && piece.id === target.id) calls.byId.set(idKey(piece), target)
  if (!target.announced && piece.name !== "") {
    target.name = piece.name.startsWith(target.name) ? piece.name : target.name + piece.name
  }
  if (piece.metadata !== undefined) {
    target.metadata = piece.metadata
    if (target.announced) completion.toolCall(target.key, { name: target.name, metadata: piece.metadata })
  }
  const begun = hasInput(piece)
  const isPrefix = () => call.tools.some(({ name }) => name !== target.name && name.startsWith(target.name))
  if (begun || (declared(target.name) && !isPrefix())) announce(target, completion)
  if (!begun) return
  target.brackets.push(typeof piece.input === "string" ? piece.input : JSON.stringify(piece.input))
  completion.toolArguments(target.key, piece.input)
}

const idKey = (piece: Piece) => `${piece.index ?? ""}:${piece.id}`

const find = (calls: ToolCalls, piece: Piece): OpenCall | undefined =>
  (piece.id === "" ? undefined : calls.byId.get(idKey(piece))) ??
    (piece.index === undefined ? calls.last : calls.byIndex.get(piece.index))

const add = (calls: ToolCalls): OpenCall => {
  const made: OpenCall = {
    key: `tool-${calls.count++}`,
    id: "",
    name: "",
    metadata: undefined,
    announced: false,
    brackets: new Brackets()
  }
  calls.waiting.push(made)
  return made
}

/** The piece begins a call of its own, though it came where `known` is open. */
const isAnother = (known: OpenCall, piece: Piece, declared: (name: string) => boolean): boolean => {
  const otherId = piece.id !== "" && known.id !== "" && piece.id !== known.id
  if (known.name === "") return otherId
  if (piece.name === "") {
    // Some hosts make up an id for every piece; without a number a new id before its name begins a call.
    return otherId && piece.index === undefined && !hasInput(piece)
  }
  if (otherId) return true
  const otherName = piece.name !== known.name
  if (known.brackets.closed) return otherName || hasInput(piece)
  return otherName && declared(known.name) && declared(piece.name)
}

const hasInput = ({ input }: Piece): boolean => input !== undefined && input !== null && input !== ""

const announce = (call: OpenCall, completion: Completion): void => {
  if (call.announced) return
  call.announced = true
  completion.toolCall(call.key, { id: call.id, name: call.name, metadata: call.metadata })
}
