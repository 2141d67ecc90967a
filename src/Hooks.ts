/**
 * Guards on what goes into a model and what comes out: patterns, another model as a judge, or any program. They block,
 * warn, redact or rewrite, and say what they did.
 *
 * Put hooks around a cascade to guard it as a whole, or around one member. A log around the hooks sees what they left,
 * one below them what was really sent and answered.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Cost } from "./Cost.ts"
import * as internal from "./internal/hooks/hook.ts"
import * as judging from "./internal/hooks/judge.ts"
import * as service from "./internal/hooks/service.ts"
import * as LLM from "./LLM.ts"
import type { Metadata } from "./Metadata.ts"
import type * as Prompt from "./Prompt.ts"
import type { Response } from "./Response.ts"
import type { Usage } from "./Usage.ts"

/**
 * Before: the prompt, nothing is sent yet. After: the answer.
 *
 * @since 0.1.0
 * @category models
 */
export type Phase = "before" | "after"

/**
 * What one hook did in one phase of a call. `"error"` is a hook that could not say: the call goes on, unless the hook
 * is `failClosed`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Verdict {
  /** The hook's name. */
  readonly hook: string
  /** Whether it looked at the request or the answer. */
  readonly phase: Phase
  /** What it decided; `"error"` when it failed itself. */
  readonly outcome: "pass" | "warn" | "redact" | "rewrite" | "block" | "error"
  /** Never text of the prompt or the answer, unless a hook of your own or a judge puts it there. */
  readonly reason?: string | undefined
  /** How long the hook took. Patterns work side by side: each has the time of all. On a stream, that of the end alone. */
  readonly duration: Duration.Duration
  /** What a judge was billed. */
  readonly usage?: Usage | undefined
  /** USD a judge was billed; absent when it is not known. */
  readonly cost?: Cost | undefined
}

/**
 * The call that verdicts are about. `metadata` has the labels of `LLM.withMetadata` and those of the call.
 *
 * @since 0.1.0
 * @category models
 */
export interface Call {
  /** The provider that is asked. */
  readonly provider: string
  /** The model that is asked for. */
  readonly model: string
  /** Labels of the call. */
  readonly metadata: Metadata
}

/**
 * What a hook sees before: the request as the hooks before it left it.
 *
 * @since 0.1.0
 * @category models
 */
export interface RequestView extends Call {
  /** The request, as the hooks before left it. */
  readonly request: LLM.Options
}

/**
 * What a hook sees after: the answer as the patterns and the hooks before it left it. `value` is the text of a text
 * answer, the JSON of a structured one, undefined when tools were called instead.
 *
 * @since 0.1.0
 * @category models
 */
export interface ResponseView extends RequestView {
  /** The answer, as the patterns and the hooks before left it. */
  readonly response: Response<unknown>
  /** Text, JSON, or undefined when tools were called instead. */
  readonly value: Prompt.JsonValue | undefined
}

/**
 * What a hook decides; `To` is what it may rewrite to.
 *
 * @since 0.1.0
 * @category decisions
 */
export type Decision<To> =
  | { readonly _tag: "Pass" }
  | { readonly _tag: "Warn"; readonly reason: string }
  | { readonly _tag: "Block"; readonly reason: string }
  | { readonly _tag: "Rewrite"; readonly to: To; readonly reason?: string | undefined }

/**
 * What is sent instead; what is left out stays as it is.
 *
 * @since 0.1.0
 * @category decisions
 */
export interface NewRequest {
  /** Instead of the prompt. */
  readonly prompt?: Prompt.Input | undefined
  /** Instead of the instructions. */
  readonly system?: string | undefined
}

/**
 * @since 0.1.0
 * @category decisions
 */
export const pass: Decision<never> = { _tag: "Pass" }

/**
 * Lets the call go on, with a verdict that says why it might not have been right.
 *
 * @since 0.1.0
 * @category decisions
 */
export const warn = (reason: string): Decision<never> => ({ _tag: "Warn", reason })

/**
 * Fails the call with `HookBlockedError`.
 *
 * @since 0.1.0
 * @category decisions
 */
export const block = (reason: string): Decision<never> => ({ _tag: "Block", reason })

/**
 * Goes on with something else: before, another prompt; after, another text or JSON, which is decoded again.
 *
 * @since 0.1.0
 * @category decisions
 */
export const rewrite = <To>(to: To, reason?: string): Decision<To> => ({ _tag: "Rewrite", to, reason })

/**
 * A hook: what making it fails with and needs stays in the type.
 *
 * @since 0.1.0
 * @category models
 */
export interface Hook<out E = never, out R = never> {
  /** Its name in verdicts. */
  readonly name: string
  /** Builds it, once for each layer. */
  readonly make: (scope: Scope.Scope) => Effect.Effect<internal.Made, E, R>
}

/**
 * @since 0.1.0
 * @category models
 */
export declare namespace Hook {
  /**
   * @since 0.1.0
   * @category models
   */
  export type Any = Hook<unknown, unknown>
  /**
   * @since 0.1.0
   * @category models
   */
  export type Error<H> = H extends Hook<infer E, infer _R> ? E : never
  /**
   * @since 0.1.0
   * @category models
   */
  export type Context<H> = H extends Hook<infer _E, infer R> ? R : never
}

/**
 * @since 0.1.0
 * @category models
 */
export interface RegexOptions {
  /** Default `"regex"`. */
  readonly name?: string | undefined
  /** Flags `g` and `y` make no difference. */
  readonly pattern?: RegExp | undefined
  /** Several of them, instead of `pattern` or beside it. */
  readonly patterns?: ReadonlyArray<RegExp> | undefined
  /** What a match does. */
  readonly action: "block" | "warn" | "redact"
  /** Look into the request, the answer, or both. */
  readonly on: Phase | "both"
  /** Stands for what was redacted, as it is: `$1` means nothing. Default `"[redacted]"`. */
  readonly replacement?: string | undefined
}

/**
 * Looks for patterns. Before, in every text of the prompt: system, messages, tool calls and results; media is not
 * looked into. After, in the text, the reasoning and the arguments of tool calls.
 *
 * A redacted answer agrees in all its fields: `text`, `content`, `message`, tool calls. In JSON, patterns see the
 * characters of strings and keys, and numbers, never the syntax; what is left is decoded again, and blocks the call when
 * it no longer matches the schema. A part that changed loses what the provider kept with it (a signature): the provider
 * would not accept it. A hosted tool's part that has a match is dropped. Failures that carry text of the answer
 * are redacted too, and what would block is redacted there.
 *
 * On a stream nothing is shown that could still become part of a match: see `window`.
 *
 * @since 0.1.0
 * @category hooks
 */
export const regex = (
  options:
    & RegexOptions
    & ({ readonly pattern: RegExp } | { readonly patterns: ReadonlyArray<RegExp> })
): Hook => internal.patterns(options)

/**
 * @since 0.1.0
 * @category models
 */
export interface GuardOptions {
  /** Blocks the call when the hook fails. Default false: the call goes on, with a verdict `"error"`. */
  readonly failClosed?: boolean | undefined
  /**
   * What a hook that looks at answers does to streams. `"finish"` (default): it runs at the end, when the text has been
   * shown; a block then fails the stream instead of `Finish`, and so does a rewrite. `"hold"`: nothing is shown until it
   * has passed.
   */
  readonly streams?: "finish" | "hold" | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface MakeOptions<out R> extends GuardOptions {
  /** Its name in verdicts. */
  readonly name: string
  /** Decides on a request, before anything is sent. */
  readonly before?:
    | ((view: RequestView) => Effect.Effect<Decision<NewRequest>, unknown, R>)
    | undefined
  /** Decides on an answer. */
  readonly after?:
    | ((view: ResponseView) => Effect.Effect<Decision<Prompt.JsonValue>, unknown, R>)
    | undefined
}

/**
 * A hook of your own. Whatever goes wrong in it, failure or defect, breaks no call unless it is `failClosed`.
 *
 * @since 0.1.0
 * @category hooks
 * @example
 * ```ts
 * import { Hooks } from "effect-majordomo"
 * import { Effect } from "effect"
 *
 * const short = Hooks.make({
 *   name: "short",
 *   after: ({ response }) =>
 *     Effect.succeed(response.text.length > 2000 ? Hooks.warn("a long answer") : Hooks.pass)
 * })
 * ```
 */
export const make = <R = never>(options: MakeOptions<R>): Hook<never, NoInfer<R>> => internal.guard(options)

/**
 * @since 0.1.0
 * @category models
 */
export interface JudgeOptions<out E = never, out R = never> extends GuardOptions {
  /** Default `"judge"`. */
  readonly name?: string | undefined
  /** The model that judges, as a layer or a service. No hook sees its calls but those it has itself. */
  readonly llm: Layer.Layer<LLM.LLM, E, R> | LLM.Service
  /** What the text must be like to pass: "no medical advice", "answers the question". */
  readonly criteria: string
  /** Judge the request, the answer, or both. */
  readonly on: Phase | "both"
  /** Default 30 seconds. */
  readonly timeout?: Duration.DurationInput | undefined
}

/**
 * Another model says whether the prompt or the answer passes. What it is billed is in its verdict, not in the answer.
 * When it fails, takes too long or talks nonsense the call goes on, with a warning in the log, unless it is
 * `failClosed`.
 *
 * @since 0.1.0
 * @category hooks
 */
export const judge = <E = never, R = never>(options: JudgeOptions<E, R>): Hook<NoInfer<E>, NoInfer<R>> =>
  judging.make(options)

/**
 * @since 0.1.0
 * @category models
 */
export interface Options<out R = never> {
  /**
   * Gets the verdicts of a phase, in order, when the phase is over or was blocked: those of all hooks that ran. The call
   * waits for it, but it cannot break it.
   */
  readonly onVerdicts?: ((verdicts: ReadonlyArray<Verdict>, call: Call) => Effect.Effect<void, unknown, R>) | undefined
  /**
   * Characters of a stream that are held back because they could be the beginning of a match, when patterns redact or
   * block answers. A match that is longer, with what it looks at around itself, may be missed on streams. Default 256.
   */
  readonly window?: number | undefined
}

/**
 * Guards the `LLM` it is given. Before, hooks run in the order given, each on what the former left. After, all patterns
 * look at the answer as it came, together; then the others run in order. The first block fails the call with
 * `HookBlockedError`: before, nothing was sent; after, the error says what the answer cost (not when a pattern stops a
 * stream, which ends before that is known). Without hooks that look at answers, answers and streams pass untouched.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Anthropic, Hooks, OpenAI } from "effect-majordomo"
 * import { Effect, Layer } from "effect"
 *
 * const live = Hooks.layer([
 *   Hooks.regex({ pattern: /\b\d{4}[ -]?\d{4}[ -]?\d{4}[ -]?\d{4}\b/, action: "redact", on: "both" }),
 *   Hooks.judge({ llm: OpenAI.layer({ model: "gpt-4.1-mini" }), criteria: "No medical advice.", on: "after" })
 * ], { onVerdicts: (verdicts) => Effect.logDebug(verdicts) }).pipe(
 *   Layer.provide(Anthropic.layer({ model: "claude-sonnet-5" }))
 * )
 * ```
 */
export const layer = <const Hooks extends ReadonlyArray<Hook.Any>, R = never>(
  hooks: Hooks,
  options?: Options<R>
): Layer.Layer<LLM.LLM, Hook.Error<Hooks[number]>, Hook.Context<Hooks[number]> | NoInfer<R> | LLM.LLM> =>
  // What hooks fail with and need is known of each; a list of them has the union.
  Layer.fresh(
    Layer.scoped(LLM.LLM, Effect.flatMap(LLM.LLM, (llm) => service.make(llm, hooks, options ?? {})))
  ) as Layer.Layer<LLM.LLM, Hook.Error<Hooks[number]>, Hook.Context<Hooks[number]> | R | LLM.LLM>
