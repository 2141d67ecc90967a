/** Objects through Schema: classes, transformations, unions; and what is told when an answer does not fit. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as LLM from "effect-majordomo/LLM"
import * as LLMError from "effect-majordomo/LLMError"
import * as Output from "effect-majordomo/Output"
import * as FakeProvider from "effect-majordomo/testing/FakeProvider"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { anthropic } from "./shared.ts"

class Invoice extends Schema.Class<Invoice>("Invoice")({
  number: Schema.String,
  due: Schema.Date,
  total: Schema.NumberFromString,
  note: Schema.optional(Schema.String)
}) {
  get isLarge() {
    return this.total > 1000
  }
}

const program = Effect.gen(function*() {
  const { content: invoice } = yield* LLM.generateObject({
    prompt: "Invoice 17, due 1 March 2026, $1,250.",
    schema: Invoice
  })
  yield* Console.log(invoice.number, invoice.due.toISOString(), invoice.isLarge)

  // Any JSON Schema; the value is validated and has sorted keys.
  const { content } = yield* LLM.generateJsonSchema({
    prompt: "A point",
    jsonSchema: {
      type: "object",
      properties: { x: { type: "number" }, y: { type: "number" } },
      required: ["x", "y"],
      additionalProperties: false
    }
  })
  yield* Console.log(Output.canonicalJson(content))

  // An answer that does not fit says where.
  const error = yield* Effect.flip(LLM.generateObject({ prompt: "Invoice?", schema: Invoice }))
  if (error._tag === "ResponseParsingError") {
    for (const { message, path } of error.issues) yield* Console.log(`${LLMError.formatPath(path)}: ${message}`)
  }
})

program.pipe(
  Effect.provide(anthropic(
    FakeProvider.json({ number: "17", due: "2026-03-01T00:00:00Z", total: "1250", note: null }),
    FakeProvider.json({ y: 2, x: 1 }),
    FakeProvider.json({ number: 17, due: "soon", total: "many" })
  )),
  NodeRuntime.runMain
)
