/** What JSON can say of a value. */
import * as Inspectable from "effect/Inspectable"
import type { JsonValue } from "../../Prompt.ts"

/** The value as JSON has it; what JSON cannot say is text. */
export const toJson = (value: unknown): JsonValue => {
  if (value === undefined) return null
  try {
    const plain: JsonValue | undefined = JSON.parse(
      JSON.stringify(value, (_, value: unknown) => typeof value === "bigint" ? String(value) : value)
    )
    return plain ?? null
  } catch {
    return Inspectable.toStringUnknown(value, 0)
  }
}
