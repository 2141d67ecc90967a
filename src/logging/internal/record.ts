/** A row as the spool keeps it: its JSON, and its bodies where those are still to be stored. */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { uuidv7 } from "../../internal/call/uuid.ts"
import type { Bodies } from "../BodyStore.ts"
import { Entry } from "../RequestLog.ts"
import { valid } from "./validEntry.ts"

export interface Kept {
  readonly entry: Entry
  readonly bodies: Bodies | undefined
}

const Stored = Schema.Struct({
  ...Entry.fields,
  bodies: Schema.optional(Schema.Struct({ request: Schema.String, response: Schema.optional(Schema.String) }))
})

const readStored = Schema.decodeUnknownOption(Stored)
const readJson = Schema.decodeUnknownOption(Schema.parseJson())
const isEntry = Schema.is(Schema.Struct({ requestId: Schema.String, status: Schema.String }))

export const encode = ({ bodies, entry }: Kept): string =>
  JSON.stringify(
    bodies === undefined ? entry : { ...entry, bodies: { request: bodies.request, response: bodies.response } }
  )

export const decode = (text: string): Kept | undefined => {
  const json = Option.getOrUndefined(readJson(text))
  const stored = Option.getOrUndefined(readStored(json))
  if (stored === undefined) return isEntry(json) ? repaired(json) : undefined
  const { bodies, ...entry } = stored
  return { entry, bodies: bodies === undefined ? undefined : { requestId: entry.requestId, ...bodies } }
}

/** A row of a version that did not look at rows before it kept them. */
const repaired = (json: object): Kept => ({
  entry: valid(json as Entry, 0, () => uuidv7(0)).entry, // it looks at every field, whatever is there
  bodies: undefined
})
