/** An answer that is there as the stream it could have been. */
import * as Chunk from "effect/Chunk"
import * as Stream from "effect/Stream"
import type { JsonValue } from "../../Prompt.ts"
import type { Response, StreamPart } from "../../Response.ts"

/** The parts in the order of the message; `value` is the JSON of a structured answer. */
export const replay = <A>(response: Response<A>, value: JsonValue | undefined): Stream.Stream<StreamPart<A>> => {
  const { content } = response.message
  const parts: Array<StreamPart<A>> = []
  const blocks = typeof content === "string" ? [{ type: "text" as const, text: content }] : content
  for (const [index, part] of blocks.entries()) {
    switch (part.type) {
      case "text":
        if (part.text !== "") parts.push({ _tag: "TextDelta", index, delta: part.text })
        break
      case "reasoning":
        if (part.text !== "") parts.push({ _tag: "ReasoningDelta", index, delta: part.text })
        break
      case "tool-call": {
        const { id, name, rawArguments } = part
        parts.push(
          { _tag: "ToolCallDelta", index, id, name, delta: rawArguments ?? "" },
          { _tag: "ToolCallPart", index, call: part }
        )
        break
      }
      case "provider":
    }
    parts.push({ _tag: "BlockEnd", index, part })
  }
  if (value !== undefined) parts.push({ _tag: "ObjectDelta", partial: value })
  parts.push({ _tag: "Finish", response })
  return Stream.fromChunk(Chunk.unsafeFromArray(parts))
}
