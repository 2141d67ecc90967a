/** What the writer does behind the calls is seen in a trace, apart from theirs. */
import { FileSystem } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { Effect, Layer, Tracer } from "effect"
import { LLM } from "../../src/index.ts"
import * as Logging from "../../src/logging/Logging.ts"
import { TestLLM } from "../../src/testing/index.ts"
import * as sinks from "./sink.ts"

it.scopedLive("a batch and the reading of the spool have spans of their own, with the number of rows", () =>
  Effect.gen(function*() {
    const spans: Array<Tracer.Span> = []
    const native = yield* Effect.tracer
    const tracer = Tracer.make({
      context: native.context,
      span: (...given) => {
        const span = native.span(...given)
        spans.push(span)
        return span
      }
    })
    const directory = yield* Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())
    const sink = yield* sinks.make(sinks.down)
    const logging = (closeTimeout: "20 millis" | "5 seconds") =>
      Logging.layer({ spool: { directory }, closeTimeout }).pipe(
        Layer.provide([TestLLM.layer(["ok"], { repeat: true }), sink.layer, NodeContext.layer, Layer.setTracer(tracer)])
      )
    const call = Effect.withSpan(Effect.repeatN(LLM.generateText({ prompt: "Hello" }), 2), "program")
    yield* call.pipe(Effect.provide(logging("20 millis")), Effect.withTracer(tracer))
    yield* sink.set(sinks.up)
    yield* Logging.flush.pipe(Effect.provide(logging("5 seconds")), Effect.withTracer(tracer))
    assert.strictEqual(sink.numbers().length, 3)
    for (const name of ["Logging.write", "Logging.replay"]) {
      const last = spans.filter((span) => span.name === name).at(-1)
      assert.strictEqual(last?.attributes.get("effect_majordomo.logging.rows"), 3, name)
      assert.strictEqual(last?.parent._tag, "None")
    }
    assert.isTrue(spans.some((span) => span.name === "LLM.generate" && span.parent._tag === "Some"))
  }).pipe(Effect.provide(NodeContext.layer)))
