/** What a wire's own request writer has written is read as it was meant, also after an official client has written it anew. */
import Anthropic from "@anthropic-ai/sdk"
import { assert, describe, it } from "@effect/vitest"
import { GoogleGenAI } from "@google/genai"
import { Effect, Either, FastCheck as fc, Layer, Redacted } from "effect"
import OpenAI from "openai"
import * as Providers from "../../../src/index.ts"
import { LLM, Output, Prompt } from "../../../src/index.ts"
import { read as chat } from "../../../src/internal/wires/chat-completions/asked.ts"
import { read as gemini } from "../../../src/internal/wires/generate-content/asked.ts"
import { read as messages } from "../../../src/internal/wires/messages/asked.ts"
import { read as responses } from "../../../src/internal/wires/responses/asked.ts"
import type { Serve } from "../../../src/internal/wires/serving.ts"
import { upstream } from "../../gateway/running.ts"
import { jsonResponse, stub } from "../../stub.ts"
import { type Loose, object } from "../../testing/wires.ts"

const apiKey = Redacted.make("k-123456")

type Request = LLM.Request<unknown>
type ProviderLayer = ReturnType<typeof Providers.OpenAI.layer>

/** What a wire can say. */
interface Wire {
  readonly read: Serve["read"]
  readonly provider: string
  /** A model, what can be asked of it beside its conversation, and how. */
  readonly models: ReadonlyArray<readonly [ProviderLayer, fc.Arbitrary<Partial<Request>>]>
  readonly can: {
    readonly cache: boolean
    readonly systemAnywhere: boolean
    readonly failedResults: boolean
    readonly anyResult: boolean
    readonly resultMedia: boolean
    readonly detail: boolean
    readonly imageUrl: fc.Arbitrary<Prompt.ImagePart | Prompt.FilePart>
    readonly files: fc.Arbitrary<Prompt.FilePart>
    /** What stays with a thought. */
    readonly thought: (text: string) => Prompt.ProviderMetadata
    /** Whether thoughts stand alone, or before calls only. */
    readonly thoughtsAlone: boolean
  }
  /** The official client, asked for the same. */
  readonly send: (url: string, body: Loose, model: string) => Promise<unknown>
}

// ── generators ──────────────────────────────────────────────────────────────────────────────────────────────────────

const word = fc.oneof(
  fc.string({ minLength: 1, maxLength: 12 }).filter((text) => text.trim() !== ""),
  fc.constantFrom("Grüße 🎉", "a\r\nb", "data: x", "\u2028", "{\"a\":1}", "null", "[1]")
)
const json: fc.Arbitrary<Prompt.JsonValue> = fc.oneof(
  word,
  fc.integer(),
  fc.boolean(),
  fc.array(word, { maxLength: 2 }),
  fc.record({ city: word, warm: fc.boolean() })
)
const png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
const cache = fc.constantFrom<"5m" | "1h">("5m", "1h")
const schema = {
  type: "object",
  properties: { city: { type: "string" }, tags: { type: "array", items: { type: "string" } } },
  required: ["city", "tags"],
  additionalProperties: false
}
const tools = fc.uniqueArray(fc.constantFrom("weather", "get_time", "f-1"), { minLength: 1 }).chain((names) =>
  fc.tuple(
    ...names.map((name) => fc.record({ name: fc.constant(name), description: fc.option(word, { nil: undefined }) }))
  )
    .map((named) => named.map((tool) => ({ ...tool, parameters: schema })))
)
const sometimes = <A>(value: fc.Arbitrary<A>) => fc.option(value, { nil: undefined })
const some = (
  fields: { readonly [name in keyof Request]?: fc.Arbitrary<Request[name]> }
): fc.Arbitrary<Partial<Request>> => fc.record(fields, { requiredKeys: [] })
const count = fc.integer({ min: 2000, max: 60_000 })
const capped = (options: fc.Arbitrary<Partial<Request>>): fc.Arbitrary<Partial<Request>> =>
  fc.tuple(options, count).map(([rest, maxTokens]) => ({ ...rest, maxTokens }))
const share = fc.integer({ min: 0, max: 100 }).map((n) => n / 100)
const sampling = { temperature: share, topP: share }
const stop = fc.array(word, { minLength: 1, maxLength: 3 })
const format = fc.constantFrom<Output.Output<unknown>>(
  Output.text,
  Output.jsonSchema(schema, { name: "answer" })
)
const choosing = (options: fc.Arbitrary<Partial<Request>>): fc.Arbitrary<Partial<Request>> =>
  fc.tuple(
    options,
    sometimes(tools),
    fc.constantFrom<"auto" | "none" | "required" | "one" | undefined>("auto", "none", "required", "one", undefined)
  )
    .map(([rest, listed, choice]) =>
      listed === undefined ? rest : {
        ...rest,
        tools: listed,
        ...(choice === undefined ? {} : { toolChoice: choice === "one" ? { tool: listed[0]?.name ?? "" } : choice })
      }
    )

const withCache = <A extends object>(can: Wire["can"], part: fc.Arbitrary<A>): fc.Arbitrary<A> =>
  can.cache ? fc.tuple(part, sometimes(cache)).map(([value, cache]) =>
    cache === undefined ? value : { ...value, cache }
  ) : part

const userOf = (can: Wire["can"]): fc.Arbitrary<Prompt.Message> => {
  const picture = fc.tuple(
    fc.constant(Prompt.image(png)),
    can.detail ? fc.constantFrom<"low" | "high" | undefined>("low", "high", undefined) : fc.constant(undefined)
  ).map(([image, detail]) => detail === undefined ? image : { ...image, detail })
  const part = withCache(
    can,
    fc.oneof<Array<fc.Arbitrary<Prompt.TextPart | Prompt.ImagePart | Prompt.FilePart>>>(
      word.map((text) => Prompt.text(text)),
      picture,
      can.imageUrl,
      can.files
    )
  )
  return fc.oneof(word, fc.array(part, { minLength: 1, maxLength: 3 })).map((content) => Prompt.user(content))
}

/** An answer with calls, and what came of them. */
const answeredOf = (can: Wire["can"]): fc.Arbitrary<(at: number) => ReadonlyArray<Prompt.Message>> => {
  const thoughts = fc.array(
    word.map((text): Prompt.AssistantPart => ({ type: "reasoning", text, providerMetadata: can.thought(text) })),
    { maxLength: 3 }
  )
  const calls = fc.array(
    withCache(
      can,
      fc.record({ name: fc.constantFrom("weather", "get_time"), arguments: fc.dictionary(word, json, { maxKeys: 2 }) })
    ),
    { maxLength: 3 }
  )
  const result = withCache(
    can,
    fc.record({
      result: can.anyResult ? json : word,
      isError: can.failedResults ? sometimes(fc.constant(true)) : fc.constant(undefined),
      media: can.resultMedia ? sometimes(fc.constant([Prompt.image(png)])) : fc.constant(undefined)
    })
  )
  return fc.tuple(
    thoughts,
    sometimes(withCache(can, word.map((text) => Prompt.text(text)))),
    calls,
    fc.array(result, { minLength: 3, maxLength: 3 })
  )
    .map(([thoughts, text, calls, results]) => (at) => {
      const numbered = calls.map((call, i): Prompt.ToolCallPart => ({
        type: "tool-call",
        id: `call_${at}_${i}`,
        rawArguments: JSON.stringify(call.arguments),
        ...call
      }))
      const said = text ?? (calls.length === 0 ? Prompt.text("Well.") : undefined)
      const content = [
        ...(calls.length > 0 || can.thoughtsAlone ? thoughts : []),
        ...(said === undefined ? [] : [said]),
        ...numbered
      ]
      return [
        Prompt.assistant(content),
        ...(calls.length === 0 ? [] : [Prompt.tool(numbered.flatMap(({ id, name }, i) => {
          const value = results[i]
          return value === undefined ? [] : [present({ type: "tool-result" as const, id, name, ...value })]
        }))])
      ]
    })
}

const conversationOf = (can: Wire["can"]): fc.Arbitrary<ReadonlyArray<Prompt.Message>> =>
  fc.tuple(
    fc.array(withCache(can, word.map((text) => Prompt.text(text))), { maxLength: 2 }),
    fc.array(fc.tuple(userOf(can), answeredOf(can), sometimes(word)), { maxLength: 3 }),
    userOf(can)
  ).map(([system, turns, last]) => [
    ...(system.length === 0 ? [] : [{ role: "system" as const, content: system }]),
    ...turns.flatMap(([user, answered, later], at) => [
      user,
      ...answered(at),
      ...(later === undefined || !can.systemAnywhere ? [] : [Prompt.system(later)])
    ]),
    last
  ])

const present = <A extends object>(value: A): A =>
  // What is left has the types it had.
  Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as A

// ── the same, however it is put ─────────────────────────────────────────────────────────────────────────────────────

const mediaOf = (part: Prompt.ImagePart | Prompt.FilePart): Loose =>
  present({
    type: part.mediaType?.startsWith("image/") === true ? "image" : part.type,
    mediaType: part.mediaType,
    content: part.media.type === "url"
      ? part.media.url
      : part.media.type === "base64"
      ? part.media.base64
      : Buffer.from(part.media.bytes).toString("base64"),
    detail: part.type === "image" && part.detail !== "auto" ? part.detail : undefined,
    filename: part.type === "file" ? part.filename : undefined,
    cache: part.cache
  })

/** Who said what in which order, with texts that stand side by side as one. */
const saidIn = (prompt: Prompt.Input): ReadonlyArray<unknown> => {
  const turns: Array<{ readonly role: string; readonly said: Array<Loose> }> = []
  const ids = new Map<string, number>()
  for (const message of Prompt.toMessages(prompt)) {
    let turn = turns.at(-1)
    if (turn?.role !== message.role) turns.push(turn = { role: message.role, said: [] })
    const parts = typeof message.content === "string" ? [Prompt.text(message.content)] : message.content
    for (const part of parts) {
      const last = turn.said.at(-1)
      switch (part.type) {
        case "text":
        case "reasoning": {
          const cached = "cache" in part ? part.cache : undefined
          if (last?.["type"] === part.type && last["cache"] === undefined) turn.said.pop()
          turn.said.push(present({
            type: part.type,
            text: (last?.["type"] === part.type && last["cache"] === undefined
              ? `${String(last["text"])}${message.role === "system" ? "\n\n" : ""}`
              : "") + part.text,
            cache: cached
          }))
          break
        }
        case "image":
        case "file":
          turn.said.push(mediaOf(part))
          break
        case "tool-call":
          ids.set(part.id, ids.size)
          turn.said.push(present({
            type: part.type,
            id: ids.get(part.id),
            name: part.name,
            arguments: part.arguments,
            cache: part.cache
          }))
          break
        case "tool-result":
          turn.said.push(present({
            type: part.type,
            id: ids.get(part.id),
            name: part.name,
            result: typeof part.result === "string" ? part.result : JSON.stringify(part.result),
            isError: part.isError,
            media: part.media?.map(mediaOf),
            cache: part.cache
          }))
          break
        case "provider":
          turn.said.push({ ...part })
      }
    }
  }
  return turns
}

const thoughtsIn = (prompt: Prompt.Input): ReadonlyArray<Prompt.ReasoningPart> =>
  Prompt.toMessages(prompt).flatMap(({ content }) =>
    typeof content === "string"
      ? []
      : content.flatMap((part) => part.type === "reasoning" ? [part] : [])
  )

const meaningOf = ({ output, prompt, tools, ...options }: Request): Loose =>
  JSON.parse(JSON.stringify({
    ...options,
    said: saidIn(prompt),
    format: output.format.type === "schema" ? output.format.schema : output.format.type,
    tools: (tools ?? []).map(({ description, name, parameters }) => ({ description, name, parameters }))
  }))

// ── wires ───────────────────────────────────────────────────────────────────────────────────────────────────────────

const effort = fc.constantFrom<"low" | "medium" | "high">("low", "medium", "high").map((effort) => ({ effort }))
const imageUrl = fc.constant(Prompt.image("https://example.com/cat.png"))
const pdf = fc.constant(Prompt.file("JVBERi0xLjQK", { mediaType: "application/pdf", filename: "a.pdf" }))

const openai = (url: string) => new OpenAI({ baseURL: `${url}/v1`, apiKey: "any", maxRetries: 0 })
/** Official clients take typed parameters; a body of the wire is some. */
const parameters = <A>(body: Loose): A => body as A

const wires: Readonly<Record<string, Wire>> = {
  "Chat Completions": {
    read: chat,
    provider: "openai",
    models: [
      [
        Providers.OpenAIChat.layer({ model: "gpt-4.1", apiKey }),
        choosing(
          some({
            ...sampling,
            maxTokens: count,
            stop,
            seed: fc.integer(),
            presencePenalty: share,
            frequencyPenalty: share,
            output: format
          })
        )
      ],
      [Providers.OpenAIChat.layer({ model: "gpt-5", apiKey }), choosing(some({ maxTokens: count, reasoning: effort }))]
    ],
    can: {
      cache: false,
      systemAnywhere: true,
      failedResults: false,
      anyResult: true,
      resultMedia: false,
      detail: true,
      imageUrl,
      files: fc.oneof(pdf, fc.constant(Prompt.file("UklGRg==", { mediaType: "audio/wav" }))),
      thought: () => ({ "chat-completions": { provider: "openai", field: "reasoning_content" } }),
      thoughtsAlone: false
    },
    send: (url, body) => openai(url).chat.completions.create(parameters(body))
  },
  "Chat Completions, as our own client writes it": {
    read: chat,
    provider: "majordomo",
    models: [[
      Providers.Majordomo.layer({ model: "any", apiKey, baseUrl: "http://localhost:1" }),
      choosing(some({
        ...sampling,
        maxTokens: count,
        stop,
        topK: fc.integer({ min: 1, max: 50 }),
        seed: fc.integer(),
        presencePenalty: share,
        frequencyPenalty: share,
        output: format,
        webSearch: fc.constant(true),
        reasoning: fc.oneof(effort, fc.constant({ effort: "max" as const }), fc.constant({ budgetTokens: 2000 }))
      }))
    ]],
    can: {
      cache: true,
      systemAnywhere: true,
      failedResults: true,
      anyResult: true,
      resultMedia: false,
      detail: true,
      imageUrl,
      files: fc.oneof(pdf, fc.constant(Prompt.file("UklGRg==", { mediaType: "audio/wav" }))),
      thought: () => ({ "chat-completions": { provider: "majordomo", field: "reasoning_content" } }),
      thoughtsAlone: false
    },
    send: (url, body) => openai(url).chat.completions.create(parameters(body))
  },
  Responses: {
    read: responses,
    provider: "openai",
    models: [
      [
        Providers.OpenAI.layer({ model: "gpt-4.1", apiKey }),
        choosing(some({ ...sampling, maxTokens: count, output: format, webSearch: fc.constant(true) }))
      ],
      [Providers.OpenAI.layer({ model: "gpt-5", apiKey }), choosing(some({ maxTokens: count, reasoning: effort }))]
    ],
    can: {
      cache: false,
      systemAnywhere: true,
      failedResults: false,
      anyResult: true,
      resultMedia: true,
      detail: true,
      imageUrl,
      files: fc.oneof(pdf, fc.constant(Prompt.file("https://example.com/a.pdf"))),
      thought: (text) => ({
        responses: {
          provider: "openai",
          item: { type: "reasoning", id: "rs_1", summary: [{ type: "summary_text", text }], encrypted_content: "gAAA" }
        }
      }),
      thoughtsAlone: true
    },
    send: (url, body) => openai(url).responses.create(parameters(body))
  },
  Messages: {
    read: messages,
    provider: "anthropic",
    models: [
      [
        Providers.Anthropic.layer({ model: "claude-sonnet-4-5", apiKey, promptCaching: false }),
        capped(choosing(some({ ...sampling, stop, topK: fc.integer({ min: 1, max: 50 }), output: format })))
      ],
      [
        Providers.Anthropic.layer({ model: "claude-opus-4-7", apiKey, promptCaching: false }),
        capped(some({ reasoning: effort, output: format, tools }))
      ],
      [
        Providers.Anthropic.layer({ model: "claude-haiku-4-5", apiKey, promptCaching: false }),
        capped(some({ reasoning: fc.constant({ budgetTokens: 1500 }), webSearch: fc.constant(true) }))
      ]
    ],
    can: {
      cache: true,
      systemAnywhere: false,
      failedResults: true,
      anyResult: true,
      resultMedia: true,
      detail: false,
      imageUrl,
      files: fc.oneof(
        pdf,
        fc.constant(Prompt.file("https://example.com/a.pdf")),
        fc.constant(Prompt.file("R3LDvMOfZQ==", { mediaType: "text/plain", filename: "a.txt" }))
      ),
      thought: () => ({ messages: { signature: "c2ln" } }),
      thoughtsAlone: true
    },
    send: (url, body) =>
      new Anthropic({ baseURL: url, apiKey: "any", maxRetries: 0, timeout: 60_000 }).messages.create(parameters(body))
  },
  generateContent: {
    read: gemini,
    provider: "gemini",
    models: [
      [
        Providers.Gemini.layer({ model: "gemini-2.5-flash", apiKey }),
        choosing(
          some({
            ...sampling,
            maxTokens: count,
            stop,
            seed: fc.nat(),
            topK: fc.integer({ min: 1, max: 50 }),
            presencePenalty: share,
            frequencyPenalty: share,
            reasoning: fc.constant({ budgetTokens: 900 })
          })
        )
      ],
      [
        Providers.Gemini.layer({ model: "gemini-3-flash", apiKey }),
        choosing(some({ output: format, reasoning: effort, webSearch: fc.constant(true) }))
      ]
    ],
    can: {
      cache: false,
      systemAnywhere: false,
      failedResults: true,
      anyResult: true,
      resultMedia: false,
      detail: false,
      imageUrl: fc.oneof(imageUrl, fc.constant(Prompt.file("https://www.youtube.com/watch?v=1"))),
      files: fc.oneof(
        fc.constant(Prompt.file("JVBERi0xLjQK", { mediaType: "application/pdf" })),
        fc.constant(Prompt.file("UklGRg==", { mediaType: "audio/wav" }))
      ),
      thought: () => ({ "generate-content": {} }),
      thoughtsAlone: true
    },
    send: (url, body, model) => {
      const { contents, generationConfig, ...rest } = body
      return new GoogleGenAI({ apiKey: "any", httpOptions: { baseUrl: url } }).models.generateContent(
        parameters({ model, contents, config: { ...object(generationConfig), ...rest } })
      )
    }
  }
}

const written = (layer: ProviderLayer, request: Request) =>
  Effect.gen(function*() {
    const http = stub(() => jsonResponse({ error: { message: "enough" } }, { status: 400 }))
    const failed = yield* Effect.flip(
      Effect.flatMap(LLM.LLM, (llm) => llm.generate(request)).pipe(
        Effect.provide(layer.pipe(Layer.provide(http.layer)))
      )
    )
    const [sent] = http.sent
    return sent === undefined ? yield* Effect.fail(failed) : object(sent.body)
  })

const requestOf = ({ can, models }: Wire) =>
  fc.nat(models.length - 1).chain((i) => {
    const model = models[i]
    return model === undefined
      ? fc.constant(undefined)
      : fc.tuple(conversationOf(can), model[1]).map(([prompt, options]) => ({
        layer: model[0],
        request: { prompt, output: Output.text, ...options }
      }))
  }).filter((made) => made !== undefined)

const readBy = (wire: Wire, body: unknown) =>
  Either.getOrThrowWith(
    wire.read(body, { provider: wire.provider, model: "m" }),
    ({ message }) => new Error(message)
  )

const agree = (read: Request, meant: Request) => {
  const [actual, expected] = [meaningOf(read), meaningOf(meant)]
  assert.deepStrictEqual(actual, expected, `read ${JSON.stringify(actual)}, meant ${JSON.stringify(expected)}`)
}

describe.each(Object.entries(wires))("requests of %s", (_, wire) => {
  it("are read as they were meant, and nothing of them is unknown", () =>
    fc.assert(
      fc.asyncProperty(requestOf(wire), async ({ layer, request }) => {
        const body = await Effect.runPromise(written(layer, request))
        const asked = readBy(wire, body)
        agree(asked.request, request)
        assert.deepStrictEqual(asked.warnings, [])
        for (const { providerMetadata, text } of thoughtsIn(asked.request.prompt)) {
          assert.deepStrictEqual(providerMetadata, wire.can.thought(text))
        }
      }),
      { numRuns: 100 }
    ))

  it.scopedLive("as the official client writes them", () =>
    Effect.gen(function*() {
      const { bodies, url } = yield* upstream((_, response) => {
        response.writeHead(400, { "content-type": "application/json" }).end("{\"error\":{\"message\":\"enough\"}}")
      })
      for (const { layer, request } of fc.sample(requestOf(wire), 8)) {
        const body = yield* written(layer, request)
        yield* Effect.ignore(Effect.tryPromise(() => wire.send(url, body, "m")))
        agree(readBy(wire, JSON.parse(bodies.at(-1) ?? "null")).request, request)
      }
    }))
})
