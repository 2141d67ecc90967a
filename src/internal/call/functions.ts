/** An LLM without HTTP: functions give the answer, everything else is as with any provider. */
import * as Channel from "effect/Channel"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { FunctionAnswer, FunctionEnd, FunctionPart, Functions, Request, Service, Settings } from "../../LLM.ts"
import type { LLMError } from "../../LLMError.ts"
import type * as Response from "../../Response.ts"
import { codec } from "../schema/codec.ts"
import * as dialect from "../schema/dialect.ts"
import { Completion } from "./completion.ts"
import type { Call } from "./driver.ts"
import type { Connection } from "./engine.ts"
import { GrowingValue } from "./growingValue.ts"
import { answerIn } from "./openedStream.ts"
import * as service from "./service.ts"
import { open, type Prepare, type Session, timedOut } from "./session.ts"
import { settle } from "./settle.ts"
import * as telemetry from "./telemetry.ts"

interface FunctionSession extends Session {
  readonly call: Call
}

/** How an answer came that nobody sent. */
const received = { status: 200, headers: {} }

const prepare: Prepare<FunctionSession> = (call, session) => ({
  ...session,
  call,
  codec: call.format.type === "schema" ? codec(call.format.schema, dialect.plain) : undefined
})

export const make = (functions: Functions, settings: Settings): Effect.Effect<Service> => {
  const { model, provider } = functions
  const place = { provider, model, settings, toolName: /^[\s\S]+$/, strictTools: undefined }
  return Effect.map(telemetry.make({ provider, model, settings }), (telemetry) =>
    service.make<FunctionSession>({
      provider,
      model,
      settings,
      telemetry,
      open: (request, stream, previous) => open(place, request, stream, previous, prepare),
      ask: (session, request) => ask(functions, session, request),
      connect: (session, request, _, scope) => connect(functions, session, request, scope)
    }))
}

const ask = <A, R>(
  functions: Functions,
  session: FunctionSession,
  request: Request<A, R>
): Effect.Effect<Response.Response<A>, LLMError, R> => {
  const reading = new Reading(session, false)
  const { generate, stream } = functions
  const asked = generate !== undefined
    ? Effect.map(generate(session.call), (answer) => reading.answer(answer))
    : stream !== undefined
    ? Stream.runForEach(stream(session.call), (part) => Effect.sync(() => reading.part(part)))
    : Effect.void
  return Effect.flatMap(asked, () => settle(session, request, reading.end(), received))
}

const connect = <A, R>(
  functions: Functions,
  session: FunctionSession,
  request: Request<A, R>,
  parent: Scope.Scope
): Effect.Effect<Connection<A, R>, LLMError, R> =>
  Effect.flatMap(Scope.fork(parent, ExecutionStrategy.sequential), (scope) => {
    const { generate, stream } = functions
    const parts = stream !== undefined
      ? stream(session.call)
      : generate !== undefined
      ? Stream.mapConcat(generate(session.call), partsOf)
      : Stream.empty
    const reading = new Reading(session, true)
    const growing = request.output.format.type === "text" ? undefined : new GrowingValue(session.codec)
    const shown = (parts: ReadonlyArray<Response.ContentPart>) => growing === undefined ? parts : growing.after(parts)
    const opening = Effect.flatMap(Channel.toPullIn(Stream.toChannel(parts), scope), (next) => {
      let isOver = false
      const pull: Effect.Effect<ReadonlyArray<Response.StreamPart<A>> | undefined, LLMError, R> = Effect.suspend(() =>
        isOver
          ? Effect.succeed(undefined)
          : Effect.flatMap(limited(session, next), (piece) => {
            if (Either.isRight(piece)) {
              for (const part of piece.right) reading.part(part)
              const parts = shown(reading.completion.takeParts())
              if (parts.length === 0) return pull
              session.firstTokenAt ??= session.clock.unsafeCurrentTimeNanos()
              return Effect.succeed(parts)
            }
            isOver = true
            const completion = reading.end()
            const rest = shown(completion.takeRest())
            return Effect.map(
              settle(session, request, completion, received),
              (response) => [...rest, { _tag: "Finish" as const, response }]
            )
          })
      )
      return Effect.map(pull, (first): Connection<A, R> => ({
        first: first ?? [],
        // Each pull has its own limit.
        follow: ({ answered, failed }) =>
          Effect.matchEffect(pull, {
            onFailure: failed,
            onSuccess: (parts) => {
              const response = answerIn(parts)
              return response === undefined ? Effect.succeed(parts) : Effect.as(answered(response), parts)
            }
          })
      }))
    })
    return Effect.onError(opening, (cause) => Scope.close(scope, Exit.failCause(cause)))
  })

/** The first piece may take as long as `firstToken` says, the others as long as `betweenTokens`. */
const limited = <A>(session: Session, pull: Effect.Effect<A, LLMError>): Effect.Effect<A, LLMError> => {
  const phase = session.firstTokenAt === undefined ? "firstToken" : "betweenTokens"
  const limit = session.timeouts[phase]
  return limit === undefined
    ? pull
    : Effect.timeoutFail(pull, { duration: limit, onTimeout: () => timedOut(session, phase, limit) })
}

/** The parts that a whole answer could have come in. */
const partsOf = (given: string | FunctionAnswer): ReadonlyArray<FunctionPart> => {
  if (typeof given === "string") return [given]
  const { content, reasoning, text, toolCalls, ...end } = given
  return [
    ...(reasoning === undefined ? [] : [{ _tag: "ReasoningDelta" as const, delta: reasoning }]),
    ...(text === undefined ? [] : [{ _tag: "TextDelta" as const, delta: text }]),
    ...(toolCalls ?? []).map((call) => ({
      _tag: "ToolCallPart" as const,
      call: { ...call, type: "tool-call" as const }
    })),
    ...(content ?? []).map((part) => ({ _tag: "BlockEnd" as const, part })),
    { _tag: "End" as const, ...end }
  ]
}

/** Reads what the functions give, as a wire reads its events. */
class Reading {
  readonly completion: Completion
  /** Text after something else is a block of its own. */
  private block = 0
  private kind: string | undefined = undefined
  private calls = 0

  constructor(session: FunctionSession, emitting: boolean) {
    this.completion = new Completion({
      owner: session.provider,
      callIdPrefix: `call_${session.requestId.slice(-12)}_`,
      emitting
    })
    const { running } = session.ledger
    if (running !== undefined) {
      running.accepted = true
      running.completion = this.completion
    }
  }

  answer(answer: string | FunctionAnswer): void {
    for (const part of partsOf(answer)) this.part(part)
  }

  part(part: FunctionPart): void {
    const { completion } = this
    if (typeof part === "string") return completion.text(this.key("text", undefined), part)
    switch (part._tag) {
      case "TextDelta":
        return completion.text(this.key("text", part.index), part.delta)
      case "ReasoningDelta":
        return completion.reasoning(this.key("reasoning", part.index), part.delta)
      case "ToolCallDelta": {
        const key = this.key(`call ${part.id}`, part.index)
        completion.toolCall(key, { id: part.id, name: part.name })
        return completion.toolArguments(key, part.delta)
      }
      case "ToolCallPart": {
        const { arguments: value, id, name, providerMetadata, rawArguments } = part.call
        const key = this.key(id === undefined ? `call number ${this.calls++}` : `call ${id}`, part.index)
        completion.toolCall(key, { id, name, metadata: providerMetadata })
        return completion.setToolArguments(key, rawArguments ?? JSON.stringify(value))
      }
      case "BlockEnd":
        return this.blockEnd(part)
      case "End":
        return this.facts(part)
    }
  }

  /** The whole of it. */
  end(): Completion {
    const { completion } = this
    completion.closeAll()
    completion.finishReason ??= completion.toolCalls.length > 0 ? "tool-calls" : "stop"
    completion.done = true
    return completion
  }

  private key(kind: string, index: number | undefined): string {
    if (index !== undefined) return `at ${index}`
    if (kind !== this.kind) {
      // What is said after something else is another block. Calls may go on side by side.
      if (this.kind !== undefined && !this.kind.startsWith("call")) this.completion.close(`${this.kind} ${this.block}`)
      this.block++
      this.kind = kind
    }
    return kind.startsWith("call") ? kind : `${kind} ${this.block}`
  }

  /** A block that was streamed is complete, with what is kept with it; one that was not comes whole. */
  private blockEnd({ index, part }: Extract<FunctionPart, { readonly _tag: "BlockEnd" }>): void {
    const { completion } = this
    switch (part.type) {
      case "text":
      case "reasoning": {
        const key = this.key(part.type, index)
        const rest = part.text.startsWith(completion.textOf(key)) ? part.text.slice(completion.textOf(key).length) : ""
        if (part.type === "text") completion.text(key, rest, part.providerMetadata)
        else completion.reasoning(key, rest, part.providerMetadata)
        this.kind = undefined
        return completion.close(key)
      }
      case "tool-call":
        this.part({ _tag: "ToolCallPart", index, call: part })
        return completion.close(this.key(`call ${part.id}`, index))
      case "provider":
        this.kind = undefined
        return completion.provider(part.wire.replace(/:.*$/, ""), part.value)
    }
  }

  private facts(end: FunctionEnd): void {
    const { completion } = this
    const { cost, usage } = end
    completion.finishReason = end.finishReason
    completion.rawFinishReason = end.rawFinishReason ?? end.finishReason
    completion.refusal = end.refusal
    completion.filter = end.filter
    completion.model = end.model
    completion.id = end.id
    for (const { code, message } of end.warnings ?? []) completion.warn(code, message)
    if (usage !== undefined) {
      completion.rawUsage = {
        input: usage.inputTokens ?? 0,
        output: usage.outputTokens ?? 0,
        cached: usage.cachedInputTokens,
        cacheCreation: usage.cacheCreationTokens,
        reasoning: usage.reasoningTokens
      }
    }
    if (typeof cost === "number") completion.providerCost = { total: cost }
    else if (cost !== undefined) completion.cost = Option.fromNullable(cost)
  }
}
