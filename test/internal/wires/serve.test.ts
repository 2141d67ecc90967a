/** The other side of a wire: what is written for a client is read back by the wire's own reader, and on the next turn. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, FastCheck as fc, Layer, Redacted } from "effect"
import { Anthropic, Gemini, LLM, OpenAI, OpenAIChat, Prompt, type Response } from "../../../src/index.ts"
import { serve as chatCompletions } from "../../../src/internal/wires/chat-completions/serve.ts"
import { serve as generateContent } from "../../../src/internal/wires/generate-content/serve.ts"
import { serve as messages } from "../../../src/internal/wires/messages/serve.ts"
import { serve as responses } from "../../../src/internal/wires/responses/serve.ts"
import type { Asked, End, Frame, Serve } from "../../../src/internal/wires/serving.ts"
import { jsonResponse, stub } from "../../stub.ts"
import { at, type Loose, object } from "../../testing/wires.ts"

const apiKey = Redacted.make("k-123456")
const hi = { role: "user", content: "Hi" }

interface Wire {
  readonly serve: Serve
  readonly layer: ReturnType<typeof OpenAI.layer>
  /** What a client sends on the turn after a whole answer. */
  readonly next: (body: unknown) => Loose
}

const wires: Readonly<Record<string, Wire>> = {
  "chat-completions": {
    serve: chatCompletions,
    layer: OpenAIChat.layer({ model: "m", apiKey }),
    next: (body) => ({ model: "m", messages: [hi, at(body, "choices", 0, "message")] })
  },
  responses: {
    serve: responses,
    layer: OpenAI.layer({ model: "m", apiKey }),
    next: (body) => ({ model: "m", input: [hi, ...list(at(body, "output"))] })
  },
  messages: {
    serve: messages,
    layer: Anthropic.layer({ model: "m", apiKey }),
    next: (body) => ({
      model: "m",
      max_tokens: 10,
      messages: [hi, { role: "assistant", content: at(body, "content") }]
    })
  },
  "generate-content": {
    serve: generateContent,
    layer: Gemini.layer({ model: "m", apiKey }),
    next: (body) => ({
      model: "m",
      contents: [{ role: "user", parts: [{ text: "Hi" }] }, at(body, "candidates", 0, "content")]
    })
  }
}

const list = (value: unknown): ReadonlyArray<unknown> => Array.isArray(value) ? value : []

const usage = {
  inputTokens: 20,
  outputTokens: 9,
  cachedInputTokens: 4,
  cacheCreationTokens: 3,
  reasoningTokens: 2,
  totalTokens: 29
}
const envelope = { id: "abc", created: 1_750_000_000, model: "m", hasUsage: true, includeUsage: true }

// ── generators ──────────────────────────────────────────────────────────────────────────────────────────────────────

const word = fc.oneof(
  fc.string({ minLength: 1, maxLength: 12 }),
  fc.constantFrom("Grüße 🎉", "a\r\nb", "data: x", "\u2028", "{\"a\":1}")
)
const metadata = fc.option(
  fc.constantFrom<Prompt.ProviderMetadata>(
    { messages: { signature: "c2ln" } },
    {
      responses: { provider: "openai", item: { type: "reasoning", id: "rs_1", encrypted_content: "gAAA", summary: [] } }
    },
    { "generate-content": { thoughtSignature: "c2lnbmF0dXJl" } },
    { "chat-completions": { provider: "deepseek", field: "reasoning_content" }, converse: { signature: "ü" } }
  ),
  { nil: undefined }
)
const own = (providerMetadata: Prompt.ProviderMetadata | undefined) =>
  providerMetadata === undefined ? {} : { providerMetadata }
const reasoning = fc.tuple(word, metadata).map(([text, m]): Prompt.AssistantPart => ({
  type: "reasoning",
  text,
  ...own(m ?? { messages: { signature: "c2ln" } })
}))
const text = fc.tuple(word, metadata).map(([text, m]): Prompt.AssistantPart => ({ type: "text", text, ...own(m) }))
const call = fc.tuple(fc.constantFrom("get_weather", "f"), fc.dictionary(fc.constantFrom("a", "b"), word), metadata)
  .map((
    [name, args, m]
  ): Prompt.AssistantPart => ({
    type: "tool-call",
    id: "",
    name,
    arguments: args,
    rawArguments: JSON.stringify(args),
    ...own(m)
  }))
const numbered = (parts: ReadonlyArray<Prompt.AssistantPart>): ReadonlyArray<Prompt.AssistantPart> =>
  parts.map((part, i) => part.type === "tool-call" ? { ...part, id: `call_${i}` } : part)
const simple = fc.tuple(fc.option(reasoning), fc.option(text), fc.array(call, { maxLength: 3 })).map((
  [thought, said, calls]
) => numbered([...(thought === null ? [] : [thought]), ...(said === null ? [] : [said]), ...calls]))
  .filter((content) => content.length > 0)
/** As models that think between their calls answer. */
const mixed = fc.array(fc.oneof(reasoning, text, call), { minLength: 1, maxLength: 6 }).map((parts) =>
  // Texts side by side are one.
  numbered(parts.filter((part, i) => part.type === "tool-call" || parts[i - 1]?.type !== part.type))
)

const cut = (text: string, sizes: ReadonlyArray<number>): ReadonlyArray<string> => {
  const pieces: Array<string> = []
  let from = 0
  for (const size of sizes) {
    const end = Math.min(text.length, from + size)
    if (end > from) pieces.push(text.slice(from, end))
    from = end
  }
  return from < text.length ? [...pieces, text.slice(from)] : pieces
}

/** The parts of a stream that gives this content. */
const partsOf = (
  content: ReadonlyArray<Prompt.AssistantPart>,
  sizes: ReadonlyArray<number>
): ReadonlyArray<Response.ContentPart> =>
  content.flatMap((part, index): ReadonlyArray<Response.ContentPart> => {
    const end = { _tag: "BlockEnd" as const, index, part }
    switch (part.type) {
      case "text":
        return [...cut(part.text, sizes).map((delta) => ({ _tag: "TextDelta" as const, index, delta })), end]
      case "reasoning":
        return [...cut(part.text, sizes).map((delta) => ({ _tag: "ReasoningDelta" as const, index, delta })), end]
      case "tool-call": {
        const { id, name, rawArguments = "" } = part
        return [
          ...["", ...cut(rawArguments, sizes)].map((delta) => ({
            _tag: "ToolCallDelta" as const,
            index,
            id,
            name,
            delta
          })),
          { _tag: "ToolCallPart", index, call: part },
          end
        ]
      }
      case "provider":
        return [end]
    }
  })

const endOf = (content: ReadonlyArray<Prompt.AssistantPart>): End => ({
  finishReason: content.some((part) => part.type === "tool-call") ? "tool-calls" : "stop",
  usage
})

const sse = (frames: ReadonlyArray<Frame>): Uint8Array =>
  new TextEncoder().encode(
    frames.map(({ data, event }) =>
      `${event === undefined ? "" : `event: ${event}\n`}data: ${
        typeof data === "string" ? data : JSON.stringify(data)
      }\n\n`
    ).join("")
  )

const streamed = ({ serve }: Wire, content: ReadonlyArray<Prompt.AssistantPart>, sizes: ReadonlyArray<number>) => {
  const writer = serve.writer(envelope)
  return [
    ...writer.start(),
    ...partsOf(content, sizes).flatMap((part) => writer.part(part)),
    ...writer.end(endOf(content))
  ]
}

/** The bytes in chunks of these sizes, again and again. */
const chunked = (bytes: Uint8Array, sizes: ReadonlyArray<number>) =>
  new globalThis.Response(
    new ReadableStream<Uint8Array>({
      start(controller) {
        for (let from = 0, i = 0; from < bytes.length; i++) {
          const size = sizes[i % sizes.length] ?? 1
          controller.enqueue(bytes.slice(from, from + size))
          from += size
        }
        controller.close()
      }
    }),
    { headers: { "content-type": "text/event-stream" } }
  )

const said = (content: ReadonlyArray<Prompt.AssistantPart>, type: "text" | "reasoning") =>
  content.flatMap((part) => part.type === type ? [part.text] : []).join("")

const meaning = (response: Response.Response<unknown>) => ({
  text: response.text,
  reasoning: response.reasoning._tag === "Some" ? response.reasoning.value : "",
  calls: response.toolCalls.map(({ arguments: value, name }) => ({ name, value })),
  finish: response.finishReason,
  usage: response.usage
})

const meant = (wire: string, content: ReadonlyArray<Prompt.AssistantPart>) => ({
  text: said(content, "text"),
  reasoning: said(content, "reasoning"),
  calls: content.flatMap((part) => part.type === "tool-call" ? [{ name: part.name, value: part.arguments }] : []),
  finish: endOf(content).finishReason,
  // Google's wire does not say what was written to a cache.
  usage: wire === "generate-content" ? { ...usage, cacheCreationTokens: 0 } : usage
})

const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 })
const run = <A, E>(effect: Effect.Effect<A, E, LLM.LLM>, wire: Wire, answer: () => globalThis.Response) =>
  Effect.provide(effect, wire.layer.pipe(Layer.provide(stub(answer).layer)))

const right = (asked: Either.Either<Asked, { readonly message: string }>): Asked =>
  Either.getOrThrowWith(asked, ({ message }) => new Error(message))

describe.each(Object.entries(wires))("serve of %s", (name, wire) => {
  it("writes events that its own reader understands, however they are cut", () =>
    fc.assert(
      fc.asyncProperty(simple, sizes, sizes, async (content, pieces, chunks) => {
        const bytes = sse(streamed(wire, content, pieces))
        const response = await Effect.runPromise(
          run(LLM.collect(LLM.streamText({ prompt: "Hi" })), wire, () => chunked(bytes, chunks.map((n) => n * 7)))
        )
        assert.deepStrictEqual(meaning(response), meant(name, content))
      }),
      { numRuns: 60 }
    ))

  it("writes whole answers that its own reader understands", () =>
    fc.assert(
      fc.asyncProperty(simple, async (content) => {
        const body = wire.serve.whole(envelope, { content, end: endOf(content) })
        const response = await Effect.runPromise(
          run(LLM.generateText({ prompt: "Hi" }), wire, () => jsonResponse(body))
        )
        assert.deepStrictEqual(meaning(response), meant(name, content))
      }),
      { numRuns: 60 }
    ))

  it.each(["refusal", "guardrail"])(
    "says what was said in the place of an answer: %s",
    (category) =>
      Effect.runPromise(Effect.gen(function*() {
        const end: End = { finishReason: "content-filter", usage, refusal: { category, text: "Not that." } }
        const body = wire.serve.whole(envelope, { content: [], end })
        const writer = wire.serve.writer(envelope)
        const bytes = sse([...writer.start(), ...writer.end(end)])
        const whole = yield* Effect.flip(run(LLM.generateText({ prompt: "Hi" }), wire, () => jsonResponse(body)))
        const streamed = yield* Effect.flip(
          run(LLM.collect(LLM.streamText({ prompt: "Hi" })), wire, () => chunked(bytes, [50]))
        )
        for (const error of [whole, streamed]) {
          assert.strictEqual(error._tag, "ContentFilteredError")
          assert.strictEqual("text" in error ? error.text : undefined, "Not that.")
        }
      }))
  )

  it("gets an answer back on the next turn with all that any provider needs to see again", () =>
    fc.assert(
      fc.property(mixed, (content) => {
        const body = JSON.parse(JSON.stringify(wire.serve.whole(envelope, { content, end: endOf(content) })))
        const { request } = right(wire.serve.read(wire.next(body), { provider: "other" }))
        const [, answer] = Prompt.toMessages(request.prompt)
        assert.deepStrictEqual(normalised(list(object(answer)["content"])), normalised(content))
      }),
      { numRuns: 200 }
    ))
})

/** Raw arguments of none may be left out; an id that a client of Google's sends is one that Google may see. */
const normalised = (content: ReadonlyArray<unknown>) =>
  content.map((part) => {
    const { arguments: value, id, providerMetadata, rawArguments, ...rest } = object(part)
    const kept = Object.keys(object(at(providerMetadata, "generate-content"))).join() === "id" ? undefined
      : providerMetadata
    return {
      ...rest,
      ...(kept === undefined ? {} : { kept }),
      // Google gives some calls none.
      ...(at(kept, "generate-content") === undefined ? { id } : {}),
      ...(value === undefined ? {} : { value: typeof rawArguments === "string" ? JSON.parse(rawArguments) : value })
    }
  })
