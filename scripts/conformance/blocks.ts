/** Whether the parts of a stream say what its message says: block by block, each once, in order. */
import type { Response } from "effect-majordomo"
import { isDeepStrictEqual } from "node:util"

/** What differs, one line each; nothing when the parts and the message agree. */
export const blockProblems = (parts: ReadonlyArray<Response.StreamPart<unknown>>): ReadonlyArray<string> => {
  const problems: Array<string> = []
  const last = parts.at(-1)
  if (last?._tag !== "Finish") return ["the last part is no Finish"]
  const { content } = last.response.message
  const blocks = typeof content === "string" ? [{ type: "text" as const, text: content }] : content
  const ends = parts.flatMap((part) => part._tag === "BlockEnd" ? [part] : [])
  if (!isDeepStrictEqual(ends.map(({ index }) => index), blocks.map((_, i) => i))) {
    problems.push(`blocks end as ${ends.map(({ index }) => index).join(", ")}, the message has ${blocks.length}`)
  }
  if (!isDeepStrictEqual(ends.map(({ part }) => part), [...blocks])) {
    problems.push(`blocks: got ${JSON.stringify(ends.map(({ part }) => part))}, want ${JSON.stringify(blocks)}`)
  }
  const joined = new Map<number, string>()
  const ended = new Set<number>()
  for (const part of parts) {
    if (part._tag === "BlockEnd") ended.add(part.index)
    else if (part._tag === "TextDelta" || part._tag === "ReasoningDelta" || part._tag === "ToolCallDelta") {
      if (ended.has(part.index)) problems.push(`a delta of block ${part.index} comes after its end`)
      joined.set(part.index, (joined.get(part.index) ?? "") + part.delta)
    } else if (part._tag === "ToolCallPart" && !isDeepStrictEqual(part.call, blocks[part.index])) {
      problems.push(`the call at ${part.index} is another one in the message`)
    }
  }
  for (const [index, block] of blocks.entries()) {
    const text = block.type === "provider" ? "" : block.type === "tool-call" ? block.rawArguments ?? "" : block.text
    const got = joined.get(index) ?? ""
    if (got !== text) {
      problems.push(`deltas of block ${index}: got ${JSON.stringify(got)}, want ${JSON.stringify(text)}`)
    }
  }
  return problems
}
