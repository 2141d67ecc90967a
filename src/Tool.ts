/**
 * Tools: functions of the program that a model may call.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import * as Output from "./Output.ts"
import type { FilePart, ImagePart, JsonObject, JsonValue } from "./Prompt.ts"

/**
 * What a handler gets beside its parameters.
 *
 * @since 0.1.0
 * @category models
 */
export interface Context {
  /** Id of the call, unique within the conversation. */
  readonly id: string
  /** Step of the tool loop, from 1. */
  readonly step: number
}

/**
 * A tool without its handler's types, as a request carries it. `parameters` is JSON Schema.
 *
 * @since 0.1.0
 * @category models
 */
export interface Tool {
  /** What the model calls it: 1 to 64 characters of `[a-zA-Z0-9_-]`. */
  readonly name: string
  /** What it does and when to use it, for the model. */
  readonly description?: string | undefined
  /** JSON Schema of the arguments; throws what `Output.object` throws for schemas that no model can be asked for. */
  readonly parameters: JsonObject
  /** Ask the provider to hold the model to the schema, where it can. Default: the provider's own default. */
  readonly strict?: boolean | undefined
}

/**
 * A tool with a handler, for `LLM.runTools`. Errors and requirements of the handler (and of its parameters' schema)
 * stay in the type.
 *
 * @since 0.1.0
 * @category models
 */
export interface Executable<out E, out R> extends Tool {
  /** Decodes the arguments and runs the handler. */
  readonly execute: (
    input: JsonValue,
    context: Context
  ) => Effect.Effect<unknown, E | Output.DecodeFailure | Output.SchemaFailure, R>
}

/**
 * @since 0.1.0
 * @category models
 */
export type Any = Tool | Executable<unknown, unknown>

/**
 * What a handler gives when it is more than JSON: pictures and files beside it, or an error that the model should see.
 * A wire that has no place for media in a tool's result shows it beside it, or says that it cannot.
 *
 * @since 0.1.0
 * @category models
 */
export class Result extends Data.Class<{
  readonly value: unknown
  readonly media?: ReadonlyArray<ImagePart | FilePart> | undefined
  readonly isError?: boolean | undefined
}> {}

/**
 * A result with media, or one that is an error.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Prompt, Tool } from "effect-majordomo"
 * import { Effect, Schema } from "effect"
 *
 * const screenshot = Tool.make({
 *   name: "screenshot",
 *   parameters: Schema.Struct({}),
 *   handler: () => Effect.succeed(Tool.result("The start page", { media: [Prompt.image("https://example.com/a.png")] }))
 * })
 * ```
 */
export const result = (
  value: unknown,
  options?: { readonly media?: ReadonlyArray<ImagePart | FilePart> | undefined; readonly isError?: boolean | undefined }
): Result => new Result({ value, ...options })

/**
 * Defines a tool. What the handler gives is shown to the model as JSON. With a `handler` it can be run by `LLM.runTools`; without, its calls come back to the program in
 * `toolCalls`.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Tool } from "effect-majordomo"
 * import { Effect, Schema } from "effect"
 *
 * const weather = Tool.make({
 *   name: "get_weather",
 *   description: "The weather in a city",
 *   parameters: Schema.Struct({ city: Schema.String }),
 *   handler: ({ city }) => Effect.succeed({ city, celsius: 21 })
 * })
 * ```
 */
export function make<A, I, R, E, R2>(options: {
  readonly name: string
  readonly description?: string | undefined
  readonly parameters: Schema.Schema<A, I, R>
  readonly strict?: boolean | undefined
  readonly handler: (parameters: A, context: Context) => Effect.Effect<unknown, E, R2>
}): Executable<E, R | R2>
export function make<A, E, R2>(options: {
  readonly name: string
  readonly description?: string | undefined
  readonly parameters: Output.StandardSchema<A>
  readonly strict?: boolean | undefined
  readonly handler: (parameters: A, context: Context) => Effect.Effect<unknown, E, R2>
}): Executable<E, R2>
export function make<A, I, R, E, R2>(options: {
  readonly name: string
  readonly description?: string | undefined
  readonly parameters: Schema.Schema<A, I, R> | Output.StandardSchema<A>
  readonly strict?: boolean | undefined
  readonly handler: (parameters: A, context: Context) => Effect.Effect<unknown, E, R2>
}): Executable<E, R | R2>
export function make<A, I, R>(options: {
  readonly name: string
  readonly description?: string | undefined
  readonly parameters: Schema.Schema<A, I, R> | Output.StandardSchema<A>
  readonly strict?: boolean | undefined
}): Tool
export function make<A, I, R, E, R2>(options: {
  readonly name: string
  readonly description?: string | undefined
  readonly parameters: Schema.Schema<A, I, R> | Output.StandardSchema<A>
  readonly strict?: boolean | undefined
  readonly handler?: (parameters: A, context: Context) => Effect.Effect<unknown, E, R2>
}): Tool | Executable<E, R | R2> {
  const output = Output.of(options.parameters)
  const { handler } = options
  const tool: Tool = {
    name: options.name,
    description: options.description,
    strict: options.strict,
    get parameters() {
      return output.format.schema
    }
  }
  if (handler === undefined) return tool
  // A tool without parameters is called with "", "null" or {} depending on the host.
  return executable(
    tool,
    (input, context) => Effect.flatMap(output.decode(input ?? {}), (parameters) => handler(parameters, context))
  )
}

/**
 * A tool from raw JSON Schema. Its handler gets the arguments as they are, unchecked; without one, its calls come back to
 * the program in `toolCalls`.
 *
 * @since 0.1.0
 * @category constructors
 */
export function fromJsonSchema<E, R>(
  options: Tool & { readonly handler: (input: JsonValue, context: Context) => Effect.Effect<unknown, E, R> }
): Executable<E, R>
export function fromJsonSchema(options: Tool): Tool
export function fromJsonSchema<E, R>(
  options: Tool & { readonly handler?: (input: JsonValue, context: Context) => Effect.Effect<unknown, E, R> }
): Tool | Executable<E, R> {
  const { handler, ...tool } = options
  return handler === undefined ? tool : { ...tool, execute: (input, context) => handler(input ?? {}, context) }
}

/**
 * The tool, with every call of it to be allowed first: `approve` may ask a person and wait. It answers true, or why not,
 * which the model is told.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { Tool } from "effect-majordomo"
 * import { Effect, Schema } from "effect"
 *
 * const remove = Tool.make({
 *   name: "remove",
 *   parameters: Schema.Struct({ path: Schema.String }),
 *   handler: ({ path }) => Effect.log("removed", path)
 * })
 * const careful = Tool.withApproval(remove, ({ arguments: given }) =>
 *   Effect.succeed(JSON.stringify(given).includes("tmp") ? true : "only temporary files may be removed"))
 * ```
 */
export const withApproval = <E, R, E2, R2>(
  tool: Executable<E, R>,
  approve: (
    call: Context & {
      readonly name: string
      readonly arguments: JsonValue
    }
  ) => Effect.Effect<true | string, E2, R2>
): Executable<E | E2, R | R2> =>
  executable(tool, (input, context) =>
    Effect.flatMap(
      approve({ ...context, name: tool.name, arguments: input ?? {} }),
      (allowed): ReturnType<typeof tool.execute> =>
        allowed === true
          ? tool.execute(input, context)
          : Effect.succeed(result(`the call was not allowed: ${allowed}`, { isError: true }))
    ))

/** Its schema is read when it is needed: reading it may throw. */
const executable = <E, R>(tool: Tool, execute: Executable<E, R>["execute"]): Executable<E, R> =>
  Object.defineProperty(
    { name: tool.name, description: tool.description, strict: tool.strict, parameters: {}, execute },
    "parameters",
    { get: () => tool.parameters, enumerable: true }
  )

/**
 * @since 0.1.0
 * @category guards
 */
export const isExecutable = (tool: Any): tool is Executable<unknown, unknown> => "execute" in tool
