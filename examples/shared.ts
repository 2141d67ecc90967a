/** What the examples share: a fake provider on this machine, so that they run without keys. */
import { NodeHttpClient } from "@effect/platform-node"
import { Effect, Layer, Redacted } from "effect"
import type { LLM } from "effect-majordomo"
import { Anthropic, OpenAI } from "effect-majordomo"
import { FakeProvider } from "effect-majordomo/testing"

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
  })).pipe(Layer.provide(NodeHttpClient.layerUndici))
