/**
 * What an answer should be: text, JSON, an object of a `Schema`, or a value of a JSON Schema. The output is part of the
 * request: it says how to ask on the wire and how to decode what comes.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"
import * as ajv from "./internal/json/ajv.ts"
import { define, withoutPrototypes } from "./internal/json/values.ts"
import { fromEffect } from "./internal/schema/fromEffect.ts"
import { fromStandard, listFromStandard } from "./internal/schema/fromStandard.ts"
import type { Issue } from "./LLMError.ts"
import type { JsonObject, JsonValue } from "./Prompt.ts"

/**
 * How to ask for an answer on the wire.
 *
 * @since 0.1.0
 * @category models
 */
export type Format = TextFormat | JsonFormat | SchemaFormat

/**
 * @since 0.1.0
 * @category models
 */
export interface TextFormat {
  readonly type: "text"
}

/**
 * @since 0.1.0
 * @category models
 */
export interface JsonFormat {
  readonly type: "json"
}

/**
 * Reading `schema` throws a `SchemaFailure` when the schema cannot be asked of a model.
 *
 * @since 0.1.0
 * @category models
 */
export interface SchemaFormat {
  readonly type: "schema"
  /** 1 to 64 characters of `[a-zA-Z0-9_-]`. */
  readonly name: string
  /** What the value is, for the model. */
  readonly description?: string | undefined
  /** JSON Schema. */
  readonly schema: JsonObject
}

/**
 * Why a value is not what was asked for.
 *
 * @since 0.1.0
 * @category errors
 */
export class DecodeFailure extends Data.TaggedError("DecodeFailure")<{
  readonly issues: ReadonlyArray<Issue>
  readonly parseIssue?: ParseResult.ParseIssue | undefined
}> {}

/**
 * A schema that cannot be asked of a model, or is no valid JSON Schema.
 *
 * @since 0.1.0
 * @category errors
 */
export class SchemaFailure extends Data.TaggedError("SchemaFailure")<{ readonly message: string }> {}

/**
 * A wanted answer: how to ask (`format`) and how to decode. `decode` gets the text for a text format, else the parsed
 * JSON.
 *
 * @since 0.1.0
 * @category models
 */
export interface Output<out A, out R = never, out F extends Format = Format> {
  /** How the provider is asked for it. */
  readonly format: F
  /** From the answer's JSON to the value. */
  readonly decode: (value: JsonValue) => Effect.Effect<A, DecodeFailure | SchemaFailure, R>
  /** The content of an answer that calls tools, where such an answer is welcome; else there must be an answer. */
  readonly onToolCalls?: { readonly content: A } | undefined
  /** Checks the schema before anything is sent. */
  readonly prepare?: Effect.Effect<void, SchemaFailure> | undefined
}

/**
 * Plain text.
 *
 * @since 0.1.0
 * @category constructors
 */
export const text: Output<string, never, TextFormat> = {
  format: { type: "text" },
  decode: (value) => Effect.succeed(typeof value === "string" ? value : JSON.stringify(value))
}

/**
 * Any JSON value.
 *
 * @since 0.1.0
 * @category constructors
 */
export const json: Output<JsonValue, never, JsonFormat> = {
  format: { type: "json" },
  decode: Effect.succeed
}

/**
 * The same output, or none when the model calls tools instead of answering.
 *
 * @since 0.1.0
 * @category combinators
 */
export const orToolCalls = <A, R, F extends Format>(self: Output<A, R, F>): Output<Option.Option<A>, R, F> => ({
  format: self.format,
  decode: (value) => Effect.asSome(self.decode(value)),
  onToolCalls: { content: Option.none() }
})

const objects = new WeakMap<object, Output<unknown, unknown, SchemaFormat>>()

/**
 * A value of a `Schema`. Made once per schema: the JSON Schema and the decoder are built on first use and kept.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { LLM, Output } from "effect-majordomo"
 * import { Effect, Schema } from "effect"
 *
 * const Person = Schema.Struct({ name: Schema.String, age: Schema.Int })
 * const program = Effect.gen(function*() {
 *   const llm = yield* LLM.LLM
 *   const { content } = yield* llm.generate({ prompt: "Ada Lovelace, 36", output: Output.object(Person) })
 *   return content.name
 * })
 * ```
 */
export const object = <A, I, R>(schema: Schema.Schema<A, I, R>): Output<A, R, SchemaFormat> => {
  const known = objects.get(schema)
  // The map holds only what this function made of the very same schema.
  if (known !== undefined) return known as Output<A, R, SchemaFormat>
  const decode = Schema.decodeUnknown(schema, { errors: "all" })
  const output: Output<A, R, SchemaFormat> = {
    format: makeFormat(identifierOf(schema.ast), descriptionOf(schema.ast), () => asked(() => fromEffect(schema))),
    decode: (value) => Effect.mapError(decode(withoutPrototypes(value)), (error) => fromParseIssue(error.issue))
  }
  objects.set(schema, output)
  return output
}

/**
 * A value of a raw JSON Schema (draft 7 or 2020-12), validated with Ajv and given back with sorted keys.
 *
 * @since 0.1.0
 * @category constructors
 */
export const jsonSchema = (
  schema: JsonObject,
  options?: { readonly name?: string | undefined; readonly description?: string | undefined }
): Output<JsonValue, never, SchemaFormat> => {
  const title = schema["title"]
  const description = options?.description ?? schema["description"]
  const validator = Effect.tryPromise({
    try: () => ajv.validator(schema),
    catch: (error) => new SchemaFailure({ message: error instanceof Error ? error.message : String(error) })
  })
  return {
    prepare: Effect.asVoid(validator),
    format: makeFormat(
      options?.name ?? (typeof title === "string" ? title : undefined),
      typeof description === "string" ? description : undefined,
      () => schema
    ),
    decode: (value) =>
      Effect.flatMap(validator, (validate) => {
        const issues = validate(value)
        return issues.length === 0 ? Effect.succeed(sortKeys(value)) : Effect.fail(new DecodeFailure({ issues }))
      })
  }
}

/**
 * A list of values of a schema, whichever library it is of. `LLM.streamArray` gives each element as soon as it is complete.
 *
 * @since 0.1.0
 * @category constructors
 */
export function array<A, I, R>(element: Schema.Schema<A, I, R>): Output<ReadonlyArray<A>, R, SchemaFormat>
export function array<A>(element: StandardSchema<A>): Output<ReadonlyArray<A>, never, SchemaFormat>
export function array<A, I, R>(
  element: Schema.Schema<A, I, R> | StandardSchema<A>
): Output<ReadonlyArray<A>, R, SchemaFormat>
export function array<A, I, R>(
  element: Schema.Schema<A, I, R> | StandardSchema<A>
): Output<ReadonlyArray<A>, R, SchemaFormat> {
  const known = arrays.get(element)
  // The map holds only what this function made of the very same schema.
  if (known !== undefined) return known as Output<ReadonlyArray<A>, R, SchemaFormat>
  const output = "~standard" in element ? listOf(element) : object(Schema.Array(element))
  arrays.set(element, output)
  return output
}

const listOf = <A>(element: StandardSchema<A>): Output<ReadonlyArray<A>, never, SchemaFormat> => {
  const { decode } = of(element)
  const one = (item: JsonValue, i: number) =>
    decode(item).pipe(
      Effect.map((value): Either.Either<A, ReadonlyArray<Issue>> => Either.right(value)),
      Effect.catchTag("DecodeFailure", ({ issues }) =>
        Effect.succeed<Either.Either<A, ReadonlyArray<Issue>>>(
          Either.left(issues.map(({ message, path }) => ({ message, path: [i, ...path] })))
        ))
    )
  return {
    format: makeFormat(undefined, undefined, () => asked(() => listFromStandard(element))),
    decode: (value) =>
      Array.isArray(value)
        ? Effect.flatMap(Effect.forEach(value, one), (items) => {
          const issues = Arr.getLefts(items).flat()
          return issues.length > 0 ? Effect.fail(new DecodeFailure({ issues })) : Effect.succeed(Arr.getRights(items))
        })
        : Effect.fail(new DecodeFailure({ issues: [{ message: "Expected a list", path: [] }] }))
  }
}

const arrays = new WeakMap<object, Output<unknown, unknown, SchemaFormat>>()

/**
 * What Standard Schema (standardschema.dev) asks of a schema: zod, valibot, arktype and others have it.
 *
 * @since 0.1.0
 * @category models
 */
export interface StandardSchema<A> {
  readonly "~standard": {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => StandardResult<A> | Promise<StandardResult<A>>
  }
}

/**
 * @since 0.1.0
 * @category models
 */
export type StandardResult<A> =
  | { readonly value: A; readonly issues?: undefined }
  | {
    readonly issues: ReadonlyArray<{
      readonly message: string
      readonly path?: ReadonlyArray<PropertyKey | { readonly key: PropertyKey }> | undefined
    }>
  }

/**
 * A value of a schema of another library: zod 4, arktype, and whatever else says its JSON Schema. For those that do not
 * (valibot), give it beside.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { LLM, Output } from "effect-majordomo"
 * import { z } from "zod"
 *
 * const Person = z.object({ name: z.string() })
 * const program = LLM.generate({ prompt: "Ada Lovelace", output: Output.standard(Person) })
 * ```
 */
export const standard = <A>(
  schema: StandardSchema<A>,
  options: {
    readonly jsonSchema?: JsonObject | undefined
    readonly name?: string | undefined
    readonly description?: string | undefined
  } = {}
): Output<A, never, SchemaFormat> => ({
  format: makeFormat(
    options.name,
    options.description,
    () => options.jsonSchema ?? asked(() => fromStandard(schema))
  ),
  decode: (value) =>
    Effect.flatMap(
      // Whether it answers at once or with a promise is the library's choice.
      Effect.promise(async () => schema["~standard"].validate(value)),
      (result) =>
        result.issues === undefined
          ? Effect.succeed(result.value)
          : Effect.fail(
            new DecodeFailure({
              issues: result.issues.map(({ message, path }) => ({
                message,
                path: (path ?? []).map((step) => {
                  const key = typeof step === "object" ? step.key : step
                  return typeof key === "symbol" ? String(key) : key
                })
              }))
            })
          )
    )
})

/**
 * The output of a schema, whichever library it is of. Made once per schema.
 *
 * @since 0.1.0
 * @category constructors
 */
export function of<A, I, R>(schema: Schema.Schema<A, I, R>): Output<A, R, SchemaFormat>
export function of<A>(schema: StandardSchema<A>): Output<A, never, SchemaFormat>
export function of<A, I, R>(schema: Schema.Schema<A, I, R> | StandardSchema<A>): Output<A, R, SchemaFormat>
export function of<A, I, R>(schema: Schema.Schema<A, I, R> | StandardSchema<A>): Output<A, R, SchemaFormat> {
  if (!("~standard" in schema)) return object(schema)
  const known = objects.get(schema)
  // The map holds only what was made of the very same schema.
  if (known !== undefined) return known as Output<A, R, SchemaFormat>
  const output = standard(schema)
  objects.set(schema, output)
  return output
}

/**
 * JSON with sorted keys and no spaces: the same value always gives the same text.
 *
 * @since 0.1.0
 * @category conversions
 * @example
 * ```ts
 * import { Output } from "effect-majordomo"
 *
 * console.log(Output.canonicalJson({ b: 1, a: [true, null] })) // {"a":[true,null],"b":1}
 * ```
 */
export const canonicalJson = (value: JsonValue): string => {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`
  if (isObject(value)) {
    return `{${Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key] ?? null)}`)}}`
  }
  return JSON.stringify(value)
}

const isObject = (value: JsonValue): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const sortKeys = (value: JsonValue): JsonValue => {
  if (Array.isArray(value)) return value.map(sortKeys)
  if (!isObject(value)) return value
  const sorted: Record<string, JsonValue> = {}
  for (const key of Object.keys(value).sort()) define(sorted, key, sortKeys(value[key] ?? null))
  return sorted
}

const makeFormat = (
  name: string | undefined,
  description: string | undefined,
  schema: () => JsonObject
): SchemaFormat => {
  let built: JsonObject | undefined
  return {
    type: "schema",
    name: (name ?? "").replace(/[^a-zA-Z0-9_-]+/g, "_").slice(0, 64) || "answer",
    ...(description === undefined ? {} : { description }),
    get schema() {
      return built ??= schema()
    }
  }
}

const asked = (schema: () => JsonObject): JsonObject => {
  try {
    return schema()
  } catch (error) {
    const message = error instanceof Error ? error.message.replaceAll("\n", ", ") : String(error)
    throw new SchemaFailure({ message: `no model can be asked for this schema: ${message}` })
  }
}

const annotated = (ast: AST.AST, key: symbol): string | undefined => {
  for (const candidate of [ast, ...(AST.isTransformation(ast) ? [ast.to] : [])]) {
    const value = candidate.annotations[key]
    if (typeof value === "string") return value
  }
  return undefined
}

const identifierOf = (ast: AST.AST) =>
  annotated(ast, AST.IdentifierAnnotationId) ?? annotated(ast, AST.TitleAnnotationId)

const descriptionOf = (ast: AST.AST) => annotated(ast, AST.DescriptionAnnotationId)

const fromParseIssue = (issue: ParseResult.ParseIssue): DecodeFailure =>
  new DecodeFailure({
    parseIssue: issue,
    issues: ParseResult.ArrayFormatter.formatIssueSync(issue).map(({ message, path }) => ({
      path: path.map((step) => typeof step === "symbol" ? String(step) : step),
      message
    }))
  })
