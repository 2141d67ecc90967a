/** Who asks for what, where a test does not care. */
import type * as rules from "../../../src/gateway/internal/limits/rule.ts"

export const facts: rules.Facts = {
  key: "key_1",
  owner: undefined,
  provider: "openai",
  model: "gpt-4.1",
  labels: {},
  isPaid: true
}
