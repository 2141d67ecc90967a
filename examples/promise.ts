/** Without Effect: async functions, streams as AsyncIterable, errors as classes. */
import { createLLM, ProviderError, tool } from "effect-majordomo/promise"
import * as FakeProvider from "effect-majordomo/testing/FakeProvider"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { z } from "zod"

// Stands for the provider; in production nothing of this, and keys in the environment.
const scope = Effect.runSync(Scope.make())
const fake = await Effect.runPromise(FakeProvider.make().pipe(Scope.extend(scope)))
await Effect.runPromise(fake.script(
  FakeProvider.toolCalls([{ name: "half", arguments: { n: 36 } }]),
  FakeProvider.text("It is 18."),
  FakeProvider.json({ name: "Ada" }),
  FakeProvider.status(401)
))

const llm = createLLM({
  models: ["anthropic/claude-sonnet-5"],
  apiKeys: { anthropic: "no-key-needed" },
  options: { baseUrl: fake.url },
  log: ({ cost, outcome }) => console.log(outcome, cost?.total)
})
const half = tool({ name: "half", parameters: z.object({ n: z.number() }), execute: ({ n }) => n / 2 })

for await (const part of llm.streamTools({ prompt: "Half of 36", tools: [half] })) {
  if (part._tag === "TextDelta") console.log(part.delta)
  if (part._tag === "ToolResult") console.log("half:", part.part.result)
}
console.log((await llm.generateObject({ prompt: "Ada, 36", schema: z.object({ name: z.string() }) })).content.name)
await llm.generateText({ prompt: "Hi" }).catch((error: unknown) => {
  if (error instanceof ProviderError) console.log(error.reason._tag)
})
await llm.close()
await Effect.runPromise(Scope.close(scope, Exit.void))
