/** A service whose calls go through hooks. */
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Call, Decision, Hook, Options, Phase, Verdict } from "../../Hooks.ts"
import { collect, type Request, type Service } from "../../LLM.ts"
import * as LLMError from "../../LLMError.ts"
import * as Metadata from "../../Metadata.ts"
import type * as Prompt from "../../Prompt.ts"
import type { Response, StreamPart } from "../../Response.ts"
import { replay } from "../call/answerStream.ts"
import { type Decoded, withSource } from "../call/decodedFrom.ts"
import { logFailure, nameOf } from "../call/logFailure.ts"
import { unwrap } from "../call/openedStream.ts"
import { withSpan } from "../call/telemetry.ts"
import { checked } from "../call/validate.ts"
import { scrub, type Scrubbed } from "./answer.ts"
import { type Guard, type Made, type Outcome, type Patterns, provideUnder } from "./hook.ts"
import type { Rule } from "./matcher.ts"
import { Matches, Redactor, type Settings, type Syntax } from "./redactor.ts"
import { StreamRedactor } from "./streaming.ts"
import { redactError, redactRequest } from "./values.ts"

const defaultWindow = 256

export const make = <R>(
  llm: Service,
  hooks: ReadonlyArray<Hook.Any>,
  options: Options<R>
): Effect.Effect<Service, unknown, unknown> =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const made = yield* Effect.forEach(hooks, (hook) => hook.make(scope))
    const context = yield* Effect.context<R>()
    const { onVerdicts, window = defaultWindow } = options
    const report = onVerdicts === undefined ? () => Effect.void : (verdicts: ReadonlyArray<Verdict>, call: Call) =>
      Effect.suspend(() => onVerdicts(verdicts, call)).pipe(
        provideUnder(context),
        Effect.catchAllCause((cause) =>
          logFailure("the verdicts of hooks could not be handed over", cause)
        )
      )
    return checked(guarded(llm, new Guards(made, Math.max(1, window)), report))
  })

class Guards {
  readonly all: ReadonlyArray<Made>
  readonly window: number
  /** Of hooks that look at answers. */
  readonly patterns: ReadonlyArray<Patterns>
  readonly guards: ReadonlyArray<Guard>
  /** Rules that change or stop an answer, and those that only tell. */
  readonly rules: ReadonlyArray<Rule>
  readonly watching: ReadonlyArray<Rule>

  constructor(all: ReadonlyArray<Made>, window: number) {
    this.all = all
    this.window = window
    this.patterns = all.filter((made) => made._tag === "Patterns").filter(({ phases }) => phases.has("after"))
    this.guards = all.filter((made) => made._tag === "Guard").filter(({ after }) => after !== undefined)
    const rules = this.patterns.flatMap(({ rules }) => rules)
    this.rules = rules.filter(({ action }) => action !== "warn")
    this.watching = rules.filter(({ action }) => action === "warn")
  }

  get looksAtAnswers(): boolean {
    return this.patterns.length + this.guards.length > 0
  }

  get looksAtPrompts(): boolean {
    return this.all.some((made) => made._tag === "Guard" ? made.before !== undefined : made.phases.has("before"))
  }

  get holds(): boolean {
    return this.guards.some(({ holds }) => holds)
  }
}

type Report = (verdicts: ReadonlyArray<Verdict>, call: Call) => Effect.Effect<void>

const guarded = (llm: Service, hooks: Guards, report: Report): Service => {
  const asked = <A, R>(request: Request<A, R>) =>
    Effect.flatMap(Metadata.Current, (current) => {
      const call = { provider: llm.provider, model: llm.model, metadata: { ...current, ...request.metadata } }
      const allowed = hooks.looksAtPrompts ? before(hooks, call, request, report) : Effect.succeed(request)
      return Effect.map(allowed, (request) => ({ request, call }))
    })

  const whole = <A, R>(
    answer: Effect.Effect<Response<Decoded<A>>, LLMError.LLMError, R>,
    call: Call,
    request: Request<A, R>
  ) => {
    const settings = { rules: hooks.rules, window: Infinity }
    return Effect.matchEffect(answer, {
      // The end of a text that broke off is held back as on a stream.
      onFailure: (error) => Effect.fail(redactError({ ...settings, window: hooks.window }, error)),
      onSuccess: (response) => after(hooks, settings, { call, request, report }, response, new Matches())
    })
  }

  const streamed = <A, R>(call: Call, request: Request<A, R>): Stream.Stream<StreamPart<A>, LLMError.LLMError, R> => {
    if (!hooks.looksAtAnswers) return llm.stream(request)
    if (hooks.holds) {
      const answer = whole(collect(llm.stream(withSource(request))), call, request)
      return unwrap(
        Effect.map(answer, ({ response, value }) => replay(response, syntaxOf(request) === "plain" ? undefined : value))
      )
    }
    return through(hooks, { call, request, report }, llm.stream(withSource(request)))
  }

  return {
    provider: llm.provider,
    model: llm.model,
    generate: (request) =>
      Effect.flatMap(asked(request), ({ call, request }) =>
        hooks.looksAtAnswers
          ? Effect.map(whole(llm.generate(withSource(request)), call, request), ({ response }) => response)
          : llm.generate(request)),
    stream: (request) => unwrap(Effect.map(asked(request), ({ call, request }) => streamed(call, request)))
  }
}

const syntaxOf = ({ output }: Request<unknown, unknown>): Syntax => output.format.type === "text" ? "plain" : "answer"

// ── before ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const before = <A, R>(
  hooks: Guards,
  call: Call,
  request: Request<A, R>,
  report: Report
): Effect.Effect<Request<A, R>, LLMError.HookBlockedError> =>
  withSpan("Hooks.before", () => ({}), () =>
    Effect.gen(function*() {
      const clock = yield* Effect.clock
      const verdicts: Array<Verdict> = []
      let current = request
      for (const made of hooks.all) {
        if (made._tag === "Patterns") {
          if (!made.phases.has("before")) continue
          const startedAt = clock.unsafeCurrentTimeNanos()
          const matches = new Matches()
          const redacted = redactRequest({ rules: made.rules, window: Infinity }, current, matches)
          const duration = Duration.nanos(clock.unsafeCurrentTimeNanos() - startedAt)
          const verdict = verdictOf(made, "before", matches, duration)
          verdicts.push(verdict)
          if (verdict.outcome === "redact") current = redacted
        } else if (made.before !== undefined) {
          const { decision, verdict } = yield* decided(made, "before", made.before({ ...call, request: current }))
          verdicts.push(verdict)
          if (decision._tag === "Rewrite") {
            const { prompt, system } = decision.to
            current = {
              ...current,
              ...(prompt === undefined ? {} : { prompt }),
              ...(system === undefined ? {} : { system })
            }
          }
        }
        const blocked = blockersOf(verdicts.slice(-1))
        if (blocked.length > 0) {
          yield* report(verdicts, call)
          return yield* new LLMError.HookBlockedError({ provider: call.provider, model: call.model, verdicts: blocked })
        }
      }
      yield* report(verdicts, call)
      return current
    }))

// ── after ───────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Context<A, R> {
  readonly call: Call
  readonly request: Request<A, R>
  readonly report: Report
}

const after = <A, R>(
  hooks: Guards,
  settings: Settings,
  { call, report, request }: Context<A, R>,
  raw: Response<Decoded<A>>,
  matches: Matches,
  streamed?: StreamRedactor
): Effect.Effect<Scrubbed<A>, LLMError.HookBlockedError, R> =>
  withSpan("Hooks.after", () => ({}), () =>
    Effect.gen(function*() {
      const clock = yield* Effect.clock
      const startedAt = clock.unsafeCurrentTimeNanos()
      const syntax = syntaxOf(request)
      const scrubbed = scrub(settings, raw, syntax, matches, streamed)
      watch(hooks, raw, syntax, matches)
      const duration = Duration.nanos(clock.unsafeCurrentTimeNanos() - startedAt)
      const verdicts: Array<Verdict> = hooks.patterns.map((made) => verdictOf(made, "after", matches, duration))
      const stop = (blocked: ReadonlyArray<Blocker>) =>
        Effect.zipRight(report(verdicts, call), Effect.fail(blockedAfter(raw, blocked)))
      const outgrown = (hook: string) => stop([{ hook, reason: "what it left does not match the schema" }])

      const blocked = blockersOf(verdicts)
      if (blocked.length > 0) return yield* stop(blocked)
      let current = scrubbed
      if (scrubbed.isStale) {
        const decoded = yield* decodedAgain(request, scrubbed.response, scrubbed.value)
        if (Option.isNone(decoded)) return yield* outgrown(redactorOf(hooks, matches))
        current = { ...scrubbed, response: decoded.value }
      }
      for (const guard of hooks.guards) {
        if (guard.after === undefined) continue
        const view = { ...call, request, response: current.response, value: current.value }
        const { decision, verdict } = yield* decided(guard, "after", guard.after(view))
        verdicts.push(verdict)
        const blocked = blockersOf([verdict])
        if (blocked.length > 0) return yield* stop(blocked)
        if (decision._tag !== "Rewrite") continue
        if (streamed !== undefined) {
          return yield* stop([{ hook: guard.name, reason: "its rewrite came when the text had been shown" }])
        }
        const decoded = yield* decodedAgain(request, rewritten(current.response, decision.to), decision.to)
        if (Option.isNone(decoded)) return yield* outgrown(guard.name)
        current = { ...current, response: decoded.value, value: decision.to }
      }
      yield* report(verdicts, call)
      return current
    }))

const decodedAgain = <A, R>(
  { output }: Request<A, R>,
  response: Response<A>,
  value: Prompt.JsonValue | undefined
): Effect.Effect<Option.Option<Response<A>>, never, R> =>
  value === undefined
    ? Effect.succeedSome(response)
    : Effect.option(Effect.map(output.decode(value), (content) => ({ ...response, content })))

/** The answer in other words: one text where the texts were. */
const rewritten = <A>(response: Response<A>, value: Prompt.JsonValue): Response<A> => {
  const text = typeof value === "string" ? value : JSON.stringify(value)
  const { content } = response.message
  const others = typeof content === "string" ? [] : content.filter((part) => part.type !== "text")
  const said = others.findIndex((part) => part.type === "tool-call")
  const at = said === -1 ? others.length : said
  return {
    ...response,
    text,
    message: { role: "assistant", content: [...others.slice(0, at), { type: "text", text }, ...others.slice(at)] }
  }
}

/** Counts what only warns. */
const watch = (
  hooks: Guards,
  { content: _, message, reasoning, text }: Response<unknown>,
  syntax: Syntax,
  matches: Matches
) => {
  if (hooks.watching.length === 0) return
  const look = (text: string, syntax: Syntax) => {
    const redactor = new Redactor({ rules: hooks.watching, window: Infinity }, syntax, matches)
    redactor.push(text)
    redactor.flush()
  }
  look(text, syntax)
  if (Option.isSome(reasoning)) look(reasoning.value, "plain")
  if (typeof message.content === "string") return
  for (const part of message.content) {
    if (part.type === "tool-call") look(part.rawArguments ?? JSON.stringify(part.arguments), "arguments")
  }
}

// ── streams ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Lets parts through as far as they are safe; `Finish` waits for the hooks that need the whole answer. */
const through = <A, R>(
  hooks: Guards,
  context: Context<A, R>,
  parts: Stream.Stream<StreamPart<Decoded<A>>, LLMError.LLMError, R>
): Stream.Stream<StreamPart<A>, LLMError.LLMError, R> =>
  Stream.suspend(() => {
    const { call, report, request } = context
    const matches = new Matches()
    const settings = { rules: hooks.rules, window: hooks.window }
    const redactor = new StreamRedactor(settings, syntaxOf(request), matches)
    const isPassive = hooks.rules.length === 0

    const stopped = Effect.suspend(() => {
      const verdicts = hooks.patterns.map((made) => verdictOf(made, "after", matches, Duration.zero))
      const { model, provider } = call
      const error = new LLMError.HookBlockedError({ provider, model, verdicts: blockersOf(verdicts) })
      return Effect.zipRight(report(verdicts, call), Effect.fail(error))
    })

    type Loop = Channel.Channel<
      Chunk.Chunk<StreamPart<A>>,
      Chunk.Chunk<StreamPart<Decoded<A>>>,
      LLMError.LLMError,
      LLMError.LLMError,
      unknown,
      unknown,
      R
    >
    const write = (shown: ReadonlyArray<StreamPart<A>>): Loop =>
      shown.length === 0 ? Channel.void : Channel.write(Chunk.unsafeFromArray(shown))
    const onInput = (chunk: Chunk.Chunk<StreamPart<Decoded<A>>>): Loop => {
      const shown: Array<StreamPart<A>> = []
      for (const part of chunk) {
        if (part._tag !== "Finish") {
          // A match may lie across a seam: what is held back is shown after it.
          if (isPassive || part._tag === "Seam") shown.push(part)
          else redactor.push(part, shown)
        } else redactor.end(shown)
        if (matches.blocked !== undefined) return Channel.zipRight(write(shown), Channel.fromEffect(stopped))
        if (part._tag === "Finish") {
          const finish = Effect.map(
            after(hooks, settings, context, part.response, matches, redactor),
            ({ response }): Loop => write([{ _tag: "Finish", response }])
          )
          return Channel.zipRight(write(shown), Channel.unwrap(finish))
        }
      }
      return Channel.zipRight(write(shown), loop)
    }
    const loop: Loop = Channel.readWith({
      onInput,
      onFailure: (error) => Channel.fail(redactError(settings, error)),
      onDone: () => Channel.void
    })
    return Stream.fromChannel(Channel.pipeTo(Stream.toChannel(parts), loop))
  })

// ── verdicts ────────────────────────────────────────────────────────────────────────────────────────────────────────

const verdictOf = ({ name, rules }: Patterns, phase: Phase, matches: Matches, duration: Duration.Duration): Verdict => {
  const [rule] = rules
  const count = rules.reduce((sum, rule) => sum + (matches.counts.get(rule) ?? 0), 0)
  if (rule === undefined || count === 0) return { hook: name, phase, outcome: "pass", duration }
  return {
    hook: name,
    phase,
    outcome: rule.action,
    reason: rule.action === "block" ? "a pattern matched" : `${count} ${count === 1 ? "match" : "matches"}`,
    duration
  }
}

type Blocker = LLMError.HookBlockedError["verdicts"][number]

const blockersOf = (verdicts: ReadonlyArray<Verdict>): ReadonlyArray<Blocker> =>
  verdicts.flatMap(({ hook, outcome, reason = "no reason given" }) => outcome === "block" ? [{ hook, reason }] : [])

/** An answer that is kept back was billed all the same. */
const blockedAfter = (response: Response<unknown>, verdicts: ReadonlyArray<Blocker>): LLMError.HookBlockedError => {
  const last = response.attempts[response.attempts.length - 1]
  return new LLMError.HookBlockedError({
    provider: response.provider,
    model: response.model,
    attempts: response.attempts,
    status: last?.status,
    requestId: last?.requestId,
    usage: response.usage,
    cost: Option.getOrUndefined(response.cost),
    verdicts
  })
}

const redactorOf = (hooks: Guards, matches: Matches): string =>
  hooks.patterns.find(({ rules }) => rules.some((rule) => matches.counts.has(rule)))?.name ?? "regex"

// ── guards ──────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Decided<To> {
  readonly decision: Decision<To>
  readonly verdict: Verdict
}

const outcomes = { Pass: "pass", Warn: "warn", Block: "block", Rewrite: "rewrite" } as const

/** Runs a guard. Whatever goes wrong in it is a verdict; only an interruption goes on. */
const decided = <To>(
  { failClosed, name }: Guard,
  phase: Phase,
  effect: Effect.Effect<Outcome<To>, unknown>
): Effect.Effect<Decided<To>> =>
  Effect.flatMap(Effect.clock, (clock) => {
    const startedAt = clock.unsafeCurrentTimeNanos()
    const elapsed = () => Duration.nanos(clock.unsafeCurrentTimeNanos() - startedAt)
    return effect.pipe(
      Effect.map(({ cost, decision, usage }): Decided<To> => ({
        decision,
        verdict: {
          hook: name,
          phase,
          outcome: outcomes[decision._tag],
          reason: decision._tag === "Pass" ? undefined : decision.reason,
          duration: elapsed(),
          usage,
          cost
        }
      })),
      Effect.catchAllCause((cause) => {
        const error = Option.getOrUndefined(Cause.failureOption(cause))
        const billed = LLMError.isLLMError(error) ? error : undefined
        const reason = nameOf(Cause.squash(cause))
        const effect = failClosed ? "the call is blocked" : "the call goes on"
        return Effect.as(
          logFailure(`the hook ${name} failed; ${effect}`, cause),
          {
            decision: { _tag: "Pass" },
            verdict: {
              hook: name,
              phase,
              outcome: failClosed ? "block" : "error",
              reason: failClosed ? `it failed: ${reason}` : reason,
              duration: elapsed(),
              usage: billed?.usage,
              cost: billed?.cost
            }
          } satisfies Decided<To>
        )
      })
    )
  })
