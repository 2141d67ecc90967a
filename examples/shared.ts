/** What the examples share: a fake provider on this machine, so that they run without keys. */
import type * as LLM from "effect-majordomo/LLM"
import * as Anthropic from "effect-majordomo/providers/Anthropic"
import * as OpenAI from "effect-majordomo/providers/OpenAI"
import * as FakeProvider from "effect-majordomo/testing/FakeProvider"
import * as UndiciHttpClient from "effect-majordomo/UndiciHttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"

/** Scripted replies, then an Anthropic layer that gets them. With a key: `Anthropic.layer({ model })` alone. */
export const anthropic = (...replies: ReadonlyArray<FakeProvider.Reply>) =>
  withFake(
    replies,
    (baseUrl) => Anthropic.layer({ model: "claude-sonnet-5", baseUrl, apiKey: Redacted.make("no-key-needed") })
  )

/** The same for OpenAI. */
export const openai = (...replies: ReadonlyArray<FakeProvider.Reply>) =>
  withFake(
    replies,
    (baseUrl) => OpenAI.layer({ model: "gpt-4.1-mini", baseUrl, apiKey: Redacted.make("no-key-needed") })
  )

const withFake = <E, R>(
  replies: ReadonlyArray<FakeProvider.Reply>,
  layer: (baseUrl: string) => Layer.Layer<LLM.LLM, E, R>
) =>
  Layer.unwrapScoped(Effect.gen(function*() {
    const fake = yield* FakeProvider.make()
    yield* fake.script(...replies)
    return layer(fake.url)
  })).pipe(Layer.provide(UndiciHttpClient.layer))
