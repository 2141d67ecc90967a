/** What is in an event of a stream, before a wire looks into it. */
import type { Completion } from "../call/completion.ts"
import type { WireEvent } from "../http/framing.ts"
import { isObject, type Loose } from "../json/values.ts"

/**
 * The object in an event; undefined when there is nothing to read. An event without data, or a named one whose data is
 * no JSON at all, keeps a connection alive; anything else that is no object is malformed.
 */
export const objectOf = (event: WireEvent, completion: Completion): Loose | undefined => {
  const value = completion.events.parse(event.data)
  if (isObject(value)) return value
  const text = event.data.trim()
  if (event.event === "error") completion.failure = { message: text === "" ? "the provider sent an error event" : text }
  else if (text !== "" && (event.event === "" || event.event === "message" || text.startsWith("{"))) {
    completion.malformed = "an event of the stream is not a JSON object"
  }
  return undefined
}
