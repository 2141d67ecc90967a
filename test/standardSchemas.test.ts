/** Schemas of other libraries, given as they are. */
import { assert, describe, it } from "@effect/vitest"
import { type } from "arktype"
import { Chunk, Effect, Stream } from "effect"
import * as v from "valibot"
import { z } from "zod"
import { LLM, Output, Tool } from "../src/index.ts"
import { FakeProvider } from "../src/testing/index.ts"
import { bodies, fake } from "./adapters/fake.ts"

describe("schemas of other libraries", () => {
  it.scoped("zod and arktype say how to ask, and decode", () =>
    Effect.gen(function*() {
      const provider = yield* fake(
        FakeProvider.json({ name: "Ada", born: "1815-12-10" }),
        FakeProvider.json({ name: "Ada", age: 36 }),
        FakeProvider.json({ name: "Ada", age: "old" })
      )
      const Person = z.object({
        name: z.string().describe("the first one"),
        born: z.string().transform((day) => new Date(day))
      })
      const Aged = type({ name: "string", "age?": "number" })
      const program = Effect.gen(function*() {
        const person = yield* LLM.generateObject({ prompt: "Who?", schema: Person })
        assert.strictEqual(person.content.born.getUTCFullYear(), 1815)
        const aged = yield* LLM.generateObject({ prompt: "Who?", schema: Aged })
        assert.strictEqual(aged.content.age, 36)
        const error = yield* Effect.flip(LLM.generateObject({ prompt: "Who?", schema: Aged }))
        assert(error._tag === "ResponseParsingError")
        assert.deepStrictEqual(error.issues.map(({ path }) => path), [["age"]])
      })
      yield* Effect.provide(program, provider.layers.openai)
      assert.include(JSON.stringify((yield* bodies(provider))[0]), "the first one")
    }))

  it.scoped("lists stream element by element, and say which one is wrong", () =>
    Effect.gen(function*() {
      const list = (items: ReadonlyArray<unknown>) =>
        FakeProvider.text(JSON.stringify({ value: items }), { chunks: 40 })
      const leaf = { name: "leaf", at: "1815-12-10" }
      const tree = { name: "tree", at: "1815-12-11", under: leaf }
      const provider = yield* fake(list([leaf, tree]), list([leaf, { ...tree, under: { name: 1 } }, leaf]))
      const Tree = z.object({
        name: z.string(),
        at: z.string().transform((day) => new Date(day)),
        get under() {
          return z.optional(Tree)
        }
      })
      const trees = LLM.streamArray({ prompt: "Trees", schema: Tree }).pipe(Stream.provideLayer(provider.layers.openai))
      const all = Chunk.toReadonlyArray(yield* Stream.runCollect(trees))
      assert.deepStrictEqual(all.map(({ at, under }) => [at.getUTCDate(), under?.name]), [[10, undefined], [
        11,
        "leaf"
      ]])
      const seen: Array<string> = []
      const error = yield* Effect.flip(Stream.runForEach(trees, ({ name }) => Effect.sync(() => seen.push(name))))
      assert.deepStrictEqual(seen, ["leaf"])
      assert(error._tag === "ResponseParsingError")
      assert.deepStrictEqual(error.issues.map(({ path }) => path), [[1, "under", "name"], [1, "under", "at"]])
    }))

  it.scoped("stream, and are parameters of tools", () =>
    Effect.gen(function*() {
      const provider = yield* fake(
        FakeProvider.json({ n: 1 }),
        FakeProvider.toolCalls([{ name: "add", arguments: { a: 2, b: 3 } }]),
        FakeProvider.text("5")
      )
      const add = Tool.make({
        name: "add",
        parameters: z.object({ a: z.number(), b: z.number() }),
        handler: ({ a, b }) => Effect.succeed(a + b)
      })
      const program = Effect.gen(function*() {
        const parts = yield* Stream.runCollect(LLM.streamObject({ prompt: "n", schema: z.object({ n: z.number() }) }))
        const last = Chunk.toReadonlyArray(parts).at(-1)
        assert(last?._tag === "Finish")
        assert.strictEqual(last.response.content.n, 1)
        const answer = yield* LLM.runTools({ prompt: "2 + 3", tools: [add] })
        assert.deepStrictEqual(answer.messages[2], {
          role: "tool",
          content: [{ type: "tool-result", id: answer.steps[0]?.toolCalls[0]?.id ?? "", name: "add", result: 5 }]
        })
      })
      yield* Effect.provide(program, provider.layers.chat)
    }))

  it.scoped("what does not say its JSON Schema is an error that names the package, or has it beside", () =>
    Effect.gen(function*() {
      const provider = yield* fake(FakeProvider.json({ name: "Ada" }))
      const Person = v.object({ name: v.string() })
      const program = Effect.gen(function*() {
        const error = yield* Effect.flip(LLM.generateObject({ prompt: "Who?", schema: Person }))
        assert(error._tag === "InvalidRequestError")
        assert.strictEqual(error.reason, "InvalidSchema")
        assert.match(error.message, /valibot schema.*install @valibot\/to-json-schema/)
        const jsonSchema = { type: "object", properties: { name: { type: "string" } }, required: ["name"] }
        const answer = yield* LLM.generate({ prompt: "Who?", output: Output.standard(Person, { jsonSchema }) })
        assert.strictEqual(answer.content.name, "Ada")
        const unsayable = yield* Effect.flip(LLM.generateObject({ prompt: "Who?", schema: z.object({ at: z.date() }) }))
        assert(unsayable._tag === "InvalidRequestError")
        assert.match(unsayable.message, /Date/)
      })
      yield* Effect.provide(program, provider.layers.chat)
      assert.lengthOf(yield* provider.requests, 1)
    }))
})
