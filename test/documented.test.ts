import { assert, it } from "@effect/vitest"
import { undocumented } from "../scripts/undocumented.ts"

it("every public field says on hover what it is", () => {
  assert.deepStrictEqual(undocumented("src"), [])
})
