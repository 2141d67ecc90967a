/** `majordomo chat` without a prompt: what a person at a terminal says, in turns, with what each of them took. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Chat from "../Chat.ts"
import * as Cost from "../Cost.ts"
import * as LLM from "../LLM.ts"
import type { Response } from "../Response.ts"
import * as Usage from "../Usage.ts"
import { harmless, print, printError, Screen } from "./screen.ts"
import { summary, warnings } from "./summary.ts"

/** What all turns took, however they ended. */
interface Taken {
  calls: number
  usage: Usage.Usage
  cost: Cost.Cost
  /** More may have been billed than is known. */
  partial: boolean
}

const total = ({ calls, cost, partial, usage }: Taken): string =>
  `${calls} ${calls === 1 ? "call" : "calls"}  ${usage.inputTokens} + ${usage.outputTokens} tokens  ${
    Cost.format(cost)
  }${partial ? " and what is not known" : ""}`

export const run = <E, R>(
  model: Layer.Layer<LLM.LLM, E, R>,
  options: Omit<Chat.Options, "tools" | "history">
): Effect.Effect<void, E, R | Screen> =>
  Effect.gen(function*() {
    const screen = yield* Screen
    const taken: Taken = { calls: 0, usage: Usage.empty, cost: Cost.zeroUSD, partial: false }
    const counted = LLM.onEnd(({ cost, usage, usagePartial }) =>
      Effect.sync(() => {
        taken.calls++
        taken.usage = Usage.add(taken.usage, usage)
        taken.cost = Cost.add(taken.cost, Option.getOrElse(cost, () => Cost.zeroUSD))
        taken.partial ||= usagePartial || (Option.isNone(cost) && usage.totalTokens > 0)
      })
    )
    const turns = Effect.gen(function*() {
      const chat = yield* Chat.make(options)
      const ask = yield* screen.lines
      yield* screen.untilInterrupted
      yield* printError("/exit or Ctrl-D ends the conversation.")
      while (true) {
        const said = Option.map(yield* ask("> "), (line) => line.trim())
        if (Option.isNone(said) || said.value === "/exit") return
        if (said.value !== "") yield* answer(chat, said.value)
      }
    })
    yield* turns.pipe(
      Effect.scoped,
      Effect.ensuring(Effect.suspend(() => taken.calls === 0 ? Effect.void : printError(total(taken)))),
      Effect.provide(Layer.provide(counted, model))
    )
  })

const answer = (
  chat: Chat.Chat<readonly [], "tell-model">,
  said: string
): Effect.Effect<void, never, LLM.LLM | Screen> =>
  Effect.gen(function*() {
    const { write } = yield* Screen
    let response: Response<string> | undefined
    yield* chat.stream(said).pipe(
      Stream.runForEach((part) => {
        if (part._tag === "Finish") response = part.response
        return part._tag === "TextDelta" ? write(harmless(part.delta)) : Effect.void
      }),
      // What was said so far stands in a line of its own.
      Effect.ensuring(print(""))
    )
    if (response === undefined) return
    yield* warnings(response)
    yield* printError(summary(response))
  }).pipe(
    // The history is what it was: the same can be said again.
    Effect.catchAll((error) => printError(`majordomo: ${harmless(error.message)}`))
  )
