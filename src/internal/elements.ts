/** The elements of a streamed list, each as soon as what follows it shows that it is complete. */
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Options, Service } from "../LLM.ts"
import * as LLMError from "../LLMError.ts"
import * as Output from "../Output.ts"
import type { JsonValue } from "../Prompt.ts"

export const of = <A, I, R>(
  llm: Service,
  options: Options,
  schema: Schema.Schema<A, I, R>
): Stream.Stream<A, LLMError.LLMError, R> =>
  Stream.suspend(() => {
    const element = Output.object(schema)
    let given = 0

    const decode = (value: JsonValue, index: number): Effect.Effect<A, LLMError.LLMError, R> =>
      Effect.mapError(element.decode(value), (failure) =>
        new LLMError.ResponseParsingError({
          provider: llm.provider,
          model: llm.model,
          reason: "Mismatch",
          text: JSON.stringify(value),
          issues: failure._tag === "SchemaFailure"
            ? [{ path: [index], message: failure.message }]
            : failure.issues.map((issue) => ({ ...issue, path: [index, ...issue.path] })),
          parseIssue: failure._tag === "SchemaFailure" ? undefined : failure.parseIssue
        }))

    return llm.stream({ ...options, output: Output.array(schema) }).pipe(
      Stream.mapConcat((part): ReadonlyArray<Effect.Effect<A, LLMError.LLMError, R>> => {
        if (part._tag === "Finish") return part.response.content.slice(given).map(Effect.succeed)
        if (part._tag !== "ObjectDelta" || !Array.isArray(part.partial)) return []
        // The last one is still growing.
        const from = given
        const complete: ReadonlyArray<JsonValue> = part.partial.slice(from, -1)
        given += complete.length
        return complete.map((value, i) => decode(value, from + i))
      }),
      // One by one, so that those before a wrong one are given.
      Stream.mapEffect((element) => element)
    )
  })
