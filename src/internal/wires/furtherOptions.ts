/** Options that only some wires have a field for: sent under its name, or said to be dropped. */
import type { Call } from "../call/driver.ts"
import type { Loose } from "../json/values.ts"

const options = ["topK", "presencePenalty", "frequencyPenalty", "parallelToolCalls"] as const

export type Fields = Readonly<Partial<Record<(typeof options)[number], string>>>

/** The wire's fields of the options that were given; a warning for each that has none. */
export const furtherOptions = (call: Call, fields: Fields): Loose => {
  const body: Record<string, unknown> = {}
  for (const option of options) {
    const value = call.options[option]
    const field = fields[option]
    if (value === undefined) continue
    if (field !== undefined) body[field] = value
    else call.warn("dropped-parameter", `${call.provider}/${call.model} takes no ${option}; it was not sent`)
  }
  return body
}
