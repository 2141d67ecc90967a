/** Answers that still know the JSON they were decoded from, so that a decorator can change or store it. */
import * as Effect from "effect/Effect"
import type { Request } from "../../LLM.ts"
import type { Output } from "../../Output.ts"
import type { JsonValue } from "../../Prompt.ts"

export interface Decoded<out A> {
  readonly content: A
  /** What `decode` was given: text, or the parsed JSON. Undefined when tools were called instead of answering. */
  readonly value: JsonValue | undefined
}

const outputWithSource = <A, R>({ decode, format, onToolCalls, prepare }: Output<A, R>): Output<Decoded<A>, R> => ({
  format,
  prepare,
  decode: (value) => Effect.map(decode(value), (content) => ({ content, value })),
  onToolCalls: onToolCalls === undefined ? undefined : { content: { content: onToolCalls.content, value: undefined } }
})

/** The same request, for an answer that keeps its JSON. */
export const withSource = <A, R>(request: Request<A, R>): Request<Decoded<A>, R> => ({
  ...request,
  output: outputWithSource(request.output)
})
