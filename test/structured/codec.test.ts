import { describe, it } from "@effect/vitest"
import { dialects, roundTrip } from "./roundTrip.ts"
import { entries } from "./schemas.ts"

describe("each schema, in each dialect, as a model would answer", () => {
  for (const entry of entries) {
    for (const into of dialects) it(`${entry.name}, ${into.name}`, () => void roundTrip(entry, into))
  }
})
