/** The elements of a streamed list, each as soon as what follows it shows that it is complete. */
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Options, Service } from "../../LLM.ts"
import type { LLMError } from "../../LLMError.ts"
import * as Output from "../../Output.ts"
import type { JsonValue } from "../../Prompt.ts"

export const of = <A, I, R>(
  llm: Service,
  options: Options,
  schema: Schema.Schema<A, I, R> | Output.StandardSchema<A>
): Stream.Stream<A, LLMError, R> =>
  Stream.suspend(() => {
    const element = Output.of(schema)
    let given = 0
    let waiting = false

    /** One that cannot be decoded yet waits for the end of the list, which decides what is wrong with it. */
    const decode = (values: ReadonlyArray<JsonValue>): Effect.Effect<ReadonlyArray<A>, never, R> =>
      Effect.gen(function*() {
        const decoded: Array<A> = []
        for (const value of values) {
          const one = waiting ? undefined : yield* Effect.option(element.decode(value))
          if (one?._tag !== "Some") {
            waiting = true
            break
          }
          decoded.push(one.value)
        }
        given += decoded.length
        return decoded
      })

    return llm.stream({ ...options, output: Output.array(schema) }).pipe(
      Stream.mapConcatEffect((part) => {
        if (part._tag === "Finish") return Effect.succeed(part.response.content.slice(given))
        if (part._tag !== "ObjectDelta" || !Array.isArray(part.partial)) return Effect.succeed([])
        // The last one is still growing.
        return decode(part.partial.slice(given, -1))
      })
    )
  })
