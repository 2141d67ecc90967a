/** Official clients of every vendor, and layers of every provider, for what is between them. */
import { createAnthropic } from "@ai-sdk/anthropic"
import Anthropic from "@anthropic-ai/sdk"
import { assert } from "@effect/vitest"
import { GoogleGenAI } from "@google/genai"
import { generateText, isStepCount, jsonSchema, Output, streamText, tool } from "ai"
import { Context, Effect, Layer, Redacted } from "effect"
import * as Providers from "effect-majordomo"
import * as Gateway from "effect-majordomo/gateway/Gateway"
import { FakeProvider } from "effect-majordomo/testing"
import OpenAI from "openai"
import * as UndiciHttpClient from "../../src/UndiciHttpClient.ts"

export const apiKey = Redacted.make("k-123456")

export const providers = {
  anthropic: (baseUrl: string) => Providers.Anthropic.layer({ model: "claude-sonnet-4-5", apiKey, baseUrl }),
  openai: (baseUrl: string) => Providers.OpenAI.layer({ model: "gpt-4.1", apiKey, baseUrl }),
  chat: (baseUrl: string) => Providers.DeepSeek.layer({ model: "deepseek-reasoner", apiKey, baseUrl }),
  gemini: (baseUrl: string) => Providers.Gemini.layer({ model: "gemini-2.5-pro", apiKey, baseUrl }),
  cohere: (baseUrl: string) => Providers.Cohere.layer({ model: "command-a-03-2025", apiKey, baseUrl }),
  bedrock: (baseUrl: string) =>
    Providers.Bedrock.layer({
      model: "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
      apiKey,
      baseUrl,
      region: "us-east-1"
    })
} as const

export const serve = <E>(layer: Layer.Layer<Providers.LLM.LLM, E>, options: Gateway.ServeOptions = {}) =>
  Effect.map(
    Layer.build(Gateway.serve(layer, { port: 0, ...options })),
    (context) => Context.get(context, Gateway.Gateway).url
  )

export const overFake = (name: keyof typeof providers) =>
  Effect.gen(function*() {
    const fake = yield* FakeProvider.make()
    const url = yield* serve(providers[name](fake.url).pipe(Layer.provide(UndiciHttpClient.layer)))
    return { fake, url }
  })

export const png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] }
const schema = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false
} as const

/** What a client does, as the table asks for it. */
export interface Client {
  readonly text: (url: string) => Promise<string>
  readonly stream: (url: string) => Promise<string>
  /** Two turns: the thought of the first goes back. */
  readonly tools: (url: string, streamed: boolean) => Promise<string>
  readonly json: (url: string) => Promise<string>
  readonly image: (url: string) => Promise<string>
  readonly refused: (url: string) => Promise<string | null | undefined>
  readonly truncated: (url: string) => Promise<string | null | undefined>
  /** What was thought before the answer was cut off. */
  readonly thought: (url: string, streamed: boolean) => Promise<string | undefined>
  /** The status of an error. */
  readonly failed: (url: string) => Promise<unknown>
  /** A stream that breaks: false when the client took it for whole. */
  readonly broken: (url: string) => Promise<boolean>
}

const fails = async (run: () => Promise<unknown>): Promise<unknown> => {
  try {
    await run()
    return undefined
  } catch (error) {
    return error instanceof Error && "status" in error && error.status !== undefined ? error.status : true
  }
}

export const openai = (url: string) => new OpenAI({ baseURL: `${url}/v1`, apiKey: "any", maxRetries: 0 })
const anthropic = (url: string) => new Anthropic({ baseURL: url, apiKey: "any", maxRetries: 0 })
const google = (url: string) => new GoogleGenAI({ apiKey: "any", httpOptions: { baseUrl: url } })

export const user = { role: "user", content: "Hello" } as const

export const chat: Client = {
  text: async (url) => {
    const answer = await openai(url).chat.completions.create({ model: "any", messages: [user] })
    assert.isAbove(answer.usage?.prompt_tokens ?? 0, 0)
    return answer.choices[0]?.message.content ?? ""
  },
  stream: async (url) => {
    const stream = openai(url).chat.completions.stream({
      model: "any",
      messages: [user],
      stream_options: { include_usage: true }
    })
    const answer = await stream.finalChatCompletion()
    assert.isAbove(answer.usage?.prompt_tokens ?? 0, 0)
    assert.strictEqual(answer.choices[0]?.finish_reason, "stop")
    return answer.choices[0]?.message.content ?? ""
  },
  tools: async (url, streamed) => {
    const tools = [{ type: "function" as const, function: { name: "weather", parameters } }]
    const client = openai(url)
    const first = streamed
      ? await client.chat.completions.stream({ model: "any", messages: [user], tools }).finalChatCompletion()
      : await client.chat.completions.create({ model: "any", messages: [user], tools })
    const message = first.choices[0]?.message
    assert.strictEqual(first.choices[0]?.finish_reason, "tool_calls")
    const second = await client.chat.completions.create({
      model: "any",
      tools,
      messages: [
        user,
        ...(message === undefined ? [] : [message]),
        ...(message?.tool_calls ?? []).map(({ id }) => ({ role: "tool" as const, tool_call_id: id, content: "21" }))
      ]
    })
    return second.choices[0]?.message.content ?? ""
  },
  json: async (url) => {
    const answer = await openai(url).chat.completions.create({
      model: "any",
      messages: [user],
      response_format: { type: "json_schema", json_schema: { name: "place", schema: { ...schema }, strict: true } }
    })
    return answer.choices[0]?.message.content ?? ""
  },
  image: async (url) => {
    const answer = await openai(url).chat.completions.create({
      model: "any",
      messages: [{
        role: "user",
        content: [
          { type: "text", text: "What is this?" },
          { type: "image_url", image_url: { url: `data:image/png;base64,${png}` } }
        ]
      }]
    })
    return answer.choices[0]?.message.content ?? ""
  },
  refused: async (url) => {
    const answer = await openai(url).chat.completions.create({ model: "any", messages: [user] })
    return answer.choices[0]?.message.refusal ?? answer.choices[0]?.finish_reason
  },
  truncated: async (url) =>
    (await openai(url).chat.completions.create({ model: "any", messages: [user] })).choices[0]?.finish_reason,
  thought: async (url, streamed) => {
    const client = openai(url).chat.completions
    const asked = { model: "any", messages: [user] }
    const said: Array<object> = []
    if (streamed) {
      for await (const { choices } of await client.create({ ...asked, stream: true })) {
        said.push(...choices.map(({ delta }) => delta))
      }
    } else said.push(...(await client.create(asked)).choices.map(({ message }) => message))
    return said.map((one) => "reasoning_content" in one ? String(one.reasoning_content) : "").join("")
  },
  failed: (url) => fails(() => openai(url).chat.completions.create({ model: "any", messages: [user] })),
  broken: async (url) => (await fails(() => chat.stream(url))) !== undefined
}

const responses: Client = {
  text: async (url) => {
    const answer = await openai(url).responses.create({ model: "any", input: "Hello" })
    assert.isAbove(answer.usage?.input_tokens ?? 0, 0)
    return answer.output_text
  },
  stream: async (url) => {
    const stream = openai(url).responses.stream({ model: "any", input: "Hello" })
    const numbers: Array<number> = []
    for await (const event of stream) numbers.push(event.sequence_number)
    assert.deepStrictEqual(numbers, numbers.map((_, i) => i))
    const answer = await stream.finalResponse()
    assert.isAbove(answer.usage?.input_tokens ?? 0, 0)
    return answer.output_text
  },
  tools: async (url, streamed) => {
    const tools = [{ type: "function" as const, name: "weather", parameters, strict: false }]
    const client = openai(url)
    const input = [user]
    const first = streamed
      ? await client.responses.stream({ model: "any", input, tools }).finalResponse()
      : await client.responses.create({ model: "any", input, tools })
    const second = await client.responses.create({
      model: "any",
      tools,
      input: [
        ...input,
        ...first.output.map(({ ...item }) => {
          // What the client's own parser adds is no part of the item.
          if ("parsed_arguments" in item) delete item["parsed_arguments"]
          return item
        }) as OpenAI.Responses.ResponseInput,
        ...first.output.flatMap((item) =>
          item.type === "function_call"
            ? [{ type: "function_call_output" as const, call_id: item.call_id, output: "21" }]
            : []
        )
      ]
    })
    return second.output_text
  },
  json: async (url) => {
    const answer = await openai(url).responses.create({
      model: "any",
      input: "Hello",
      text: { format: { type: "json_schema", name: "place", schema: { ...schema }, strict: true } }
    })
    return answer.output_text
  },
  image: async (url) => {
    const answer = await openai(url).responses.create({
      model: "any",
      input: [{
        role: "user",
        content: [
          { type: "input_text", text: "What is this?" },
          { type: "input_image", image_url: `data:image/png;base64,${png}`, detail: "auto" }
        ]
      }]
    })
    return answer.output_text
  },
  refused: async (url) => {
    const answer = await openai(url).responses.create({ model: "any", input: "Hello" })
    return answer.output.map((item) => item.type === "message" ? item.content.map((part) => part.type).join() : "")
      .join()
      || answer.incomplete_details?.reason
  },
  truncated: async (url) =>
    (await openai(url).responses.create({ model: "any", input: "Hello" })).incomplete_details?.reason,
  thought: async (url, streamed) => {
    const asked = { model: "any", input: "Hello" }
    const { output } = streamed
      ? await openai(url).responses.stream(asked).finalResponse()
      : await openai(url).responses.create(asked)
    return output.flatMap((item) => item.type === "reasoning" ? item.summary.map(({ text }) => text) : []).join("")
  },
  failed: (url) => fails(() => openai(url).responses.create({ model: "any", input: "Hello" })),
  broken: async (url) => (await fails(() => responses.stream(url))) !== undefined
}

const said = (message: Anthropic.Message): string =>
  message.content.map((block) => block.type === "text" ? block.text : "").join("")

export const ask = { model: "any", max_tokens: 1000, messages: [user] }

const messages: Client = {
  text: async (url) => {
    const answer = await anthropic(url).messages.create(ask)
    assert.isAbove(answer.usage.input_tokens, 0)
    return said(answer)
  },
  stream: async (url) => {
    const answer = await anthropic(url).messages.stream(ask).finalMessage()
    assert.isAbove(answer.usage.input_tokens, 0)
    assert.strictEqual(answer.stop_reason, "end_turn")
    return said(answer)
  },
  tools: async (url, streamed) => {
    const tools = [{ name: "weather", input_schema: { ...parameters, type: "object" as const } }]
    const client = anthropic(url)
    const first = streamed
      ? await client.messages.stream({ ...ask, tools }).finalMessage()
      : await client.messages.create({ ...ask, tools })
    assert.strictEqual(first.stop_reason, "tool_use")
    const second = await client.messages.create({
      ...ask,
      tools,
      messages: [
        user,
        { role: "assistant", content: first.content },
        {
          role: "user",
          content: first.content.flatMap((block) =>
            block.type === "tool_use" ? [{ type: "tool_result" as const, tool_use_id: block.id, content: "21" }] : []
          )
        }
      ]
    })
    return said(second)
  },
  json: async (url) =>
    said(
      await anthropic(url).messages.create({
        ...ask,
        output_config: { format: { type: "json_schema", schema: { ...schema } } }
      })
    ),
  image: async (url) =>
    said(
      await anthropic(url).messages.create({
        ...ask,
        messages: [{
          role: "user",
          content: [
            { type: "text", text: "What is this?" },
            { type: "image", source: { type: "base64", media_type: "image/png", data: png } }
          ]
        }]
      })
    ),
  refused: async (url) => (await anthropic(url).messages.create(ask)).stop_reason,
  truncated: async (url) => (await anthropic(url).messages.create(ask)).stop_reason,
  thought: async (url, streamed) => {
    const { content } = streamed
      ? await anthropic(url).messages.stream(ask).finalMessage()
      : await anthropic(url).messages.create(ask)
    return content.map((block) => block.type === "thinking" ? block.thinking : "").join("")
  },
  failed: (url) => fails(() => anthropic(url).messages.create(ask)),
  broken: async (url) => (await fails(() => messages.stream(url))) !== undefined
}

const gemini: Client = {
  text: async (url) => {
    const answer = await google(url).models.generateContent({ model: "any", contents: "Hello" })
    assert.isAbove(answer.usageMetadata?.promptTokenCount ?? 0, 0)
    return answer.text ?? ""
  },
  stream: async (url) => {
    const stream = await google(url).models.generateContentStream({ model: "any", contents: "Hello" })
    let text = ""
    let tokens = 0
    for await (const chunk of stream) {
      text += chunk.text ?? ""
      tokens = chunk.usageMetadata?.promptTokenCount ?? tokens
    }
    assert.isAbove(tokens, 0)
    return text
  },
  tools: async (url, streamed) => {
    const config = { tools: [{ functionDeclarations: [{ name: "weather", parametersJsonSchema: parameters }] }] }
    const { models } = google(url)
    const contents = [{ role: "user", parts: [{ text: "Hello" }] }]
    const request = { model: "any", contents, config }
    const parts = []
    if (streamed) {
      for await (const chunk of await models.generateContentStream(request)) {
        parts.push(...chunk.candidates?.[0]?.content?.parts ?? [])
      }
    } else parts.push(...(await models.generateContent(request)).candidates?.[0]?.content?.parts ?? [])
    const results = parts.flatMap(({ functionCall }) =>
      functionCall === undefined
        ? []
        : [{
          functionResponse: {
            ...("id" in functionCall ? { id: functionCall.id ?? "" } : {}),
            name: "weather",
            response: { result: "21" }
          }
        }]
    )
    const second = await models.generateContent({
      model: "any",
      config,
      contents: [...contents, { role: "model", parts }, { role: "user", parts: results }]
    })
    return second.text ?? ""
  },
  json: async (url) => {
    const answer = await google(url).models.generateContent({
      model: "any",
      contents: "Hello",
      config: { responseMimeType: "application/json", responseJsonSchema: schema }
    })
    return answer.text ?? ""
  },
  image: async (url) => {
    const answer = await google(url).models.generateContent({
      model: "any",
      contents: [{
        role: "user",
        parts: [{ text: "What is this?" }, { inlineData: { mimeType: "image/png", data: png } }]
      }]
    })
    return answer.text ?? ""
  },
  refused: async (url) =>
    (await google(url).models.generateContent({ model: "any", contents: "Hello" })).candidates?.[0]?.finishReason,
  truncated: async (url) =>
    (await google(url).models.generateContent({ model: "any", contents: "Hello" })).candidates?.[0]?.finishReason,
  thought: async (url, streamed) => {
    const { models } = google(url)
    const asked = { model: "any", contents: "Hello" }
    const parts = []
    if (streamed) {
      for await (const chunk of await models.generateContentStream(asked)) {
        parts.push(...chunk.candidates?.[0]?.content?.parts ?? [])
      }
    } else parts.push(...(await models.generateContent(asked)).candidates?.[0]?.content?.parts ?? [])
    return parts.map(({ text, thought }) => thought === true ? text : "").join("")
  },
  failed: (url) => fails(() => google(url).models.generateContent({ model: "any", contents: "Hello" })),
  broken: async (url) => (await fails(() => gemini.stream(url))) !== undefined
}

/** Vercel's `ai`, which speaks Messages here. */
const vercel = (url: string) => ({
  model: createAnthropic({ baseURL: `${url}/v1`, apiKey: "any" })("any"),
  maxRetries: 0,
  // What it would print of a stream that breaks is looked at below.
  onError: () => {}
})

const ai: Client = {
  text: async (url) => {
    const answer = await generateText({ ...vercel(url), prompt: "Hello" })
    assert.isAbove(answer.usage.inputTokens ?? 0, 0)
    return answer.text
  },
  stream: async (url) => {
    const answer = streamText({ ...vercel(url), prompt: "Hello" })
    for await (const part of answer.fullStream) if (part.type === "error") throw part.error
    assert.strictEqual(await answer.finishReason, "stop")
    return answer.text
  },
  tools: async (url, streamed) => {
    const asked = {
      ...vercel(url),
      prompt: "Hello",
      stopWhen: isStepCount(2),
      tools: {
        weather: tool({
          inputSchema: jsonSchema<{ city: string }>({ ...parameters, type: "object" }),
          execute: () => Promise.resolve("21")
        })
      }
    }
    return streamed ? streamText(asked).text : (await generateText(asked)).text
  },
  json: async (url) => {
    const { output } = await generateText({
      ...vercel(url),
      prompt: "Hello",
      output: Output.object({ schema: jsonSchema({ ...schema, required: [...schema.required] }) })
    })
    return JSON.stringify(output)
  },
  image: async (url) => {
    const { text } = await generateText({
      ...vercel(url),
      messages: [{
        role: "user",
        content: [{ type: "text", text: "What is this?" }, { type: "file", mediaType: "image/png", data: png }]
      }]
    })
    return text
  },
  refused: async (url) => (await generateText({ ...vercel(url), prompt: "Hello" })).finishReason,
  truncated: async (url) => (await generateText({ ...vercel(url), prompt: "Hello" })).finishReason,
  thought: async (url, streamed) => {
    const asked = { ...vercel(url), prompt: "Hello" }
    return streamed ? streamText(asked).reasoningText : (await generateText(asked)).reasoningText
  },
  failed: async (url) => {
    try {
      await generateText({ ...vercel(url), prompt: "Hello" })
      return undefined
    } catch (error) {
      return error instanceof Error && "statusCode" in error ? error.statusCode : error
    }
  },
  broken: async (url) => (await fails(() => ai.stream(url))) !== undefined
}

export const clients = { chat, responses, messages, gemini, ai } as const
export const refusals = {
  chat: "No.",
  responses: "refusal",
  messages: "refusal",
  gemini: "SAFETY",
  ai: "content-filter"
} as const
export const cutOff = {
  chat: "length",
  responses: "max_output_tokens",
  messages: "max_tokens",
  gemini: "MAX_TOKENS",
  ai: "length"
} as const

export const promise = <A>(run: () => Promise<A>) => Effect.promise(run)

/** What the provider was sent last, as text. */
export const sentLast = (fake: FakeProvider.Service) =>
  Effect.map(fake.requests, (requests) => JSON.stringify(requests.at(-1)?.body ?? null))

/** What each provider must see again, as it is written by the fake one. */
export const seenAgain = {
  anthropic: "fake-signature",
  openai: "fake-encrypted",
  chat: "It is about",
  gemini: "fake-signature",
  cohere: "Paris",
  bedrock: "fake-signature"
}
