/** A fake provider for a test, and layers of ours that talk to it. */
import { Effect, Layer, Redacted } from "effect"
import { Anthropic, Gemini, OpenAI, OpenAIChat, Retry } from "../../src/index.ts"
import { FakeProvider } from "../../src/testing/index.ts"
import * as UndiciHttpClient from "../../src/UndiciHttpClient.ts"

const apiKey = Redacted.make("sk-test-0123456789abcdef0123456789abcdef")

export const layers = (baseUrl: string) => {
  const options = { baseUrl, apiKey, retry: Retry.none }
  const live = Layer.provide(UndiciHttpClient.layer)
  return {
    anthropic: Anthropic.layer({ model: "claude-sonnet-4-5", ...options }).pipe(live),
    openai: OpenAI.layer({ model: "gpt-5-mini", ...options }).pipe(live),
    chat: OpenAIChat.layer({ model: "gpt-4.1-mini", ...options }).pipe(live),
    gemini: Gemini.layer({ model: "gemini-2.5-flash", ...options }).pipe(live)
  }
}

/** A fake provider with replies, for as long as the scope. */
export const fake = (...replies: ReadonlyArray<FakeProvider.Reply>) =>
  Effect.gen(function*() {
    const provider = yield* FakeProvider.make()
    yield* provider.script(...replies)
    return { ...provider, layers: layers(provider.url) }
  })

/** What a provider was asked: the bodies, loosely. */
export const bodies = (provider: FakeProvider.Service) =>
  Effect.map(provider.requests, (requests) => requests.map(({ body }) => body as Record<string, unknown>))
