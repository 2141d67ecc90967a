/** What clients write, field by field, as it is understood here. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, Layer, Redacted } from "effect"
import { LLM, OpenAI, OpenAIChat, Prompt } from "../../../src/index.ts"
import { read as chat } from "../../../src/internal/wires/chat-completions/asked.ts"
import { read as gemini } from "../../../src/internal/wires/generate-content/asked.ts"
import { read as messages } from "../../../src/internal/wires/messages/asked.ts"
import { read as responses } from "../../../src/internal/wires/responses/asked.ts"
import type { Asked, Serve } from "../../../src/internal/wires/serving.ts"
import { jsonResponse, stub } from "../../stub.ts"
import { at, object } from "../../testing/wires.ts"

const source = { provider: "other" }
const understood = (read: Serve["read"], body: object): Asked =>
  Either.getOrThrowWith(read(body, source), ({ message }) => new Error(message))
const refusal = (read: Serve["read"], body: unknown) =>
  Either.match(read(body, source), { onLeft: (rejection) => rejection, onRight: () => assert.fail("it was taken") })

const parameters = { type: "object", properties: { city: { type: "string" } } }
const weather = { name: "weather", description: "Of a city", parameters }
const tools = [weather]
const schema = { type: "object", properties: {} }

describe("requests of clients", () => {
  it("Chat Completions", () => {
    const { includeUsage, model, request, stream, warnings } = understood(chat, {
      model: "m",
      stream: true,
      stream_options: { include_usage: true },
      messages: [
        {
          role: "developer",
          content: [{ type: "text", text: "Be brief.", cache_control: { type: "ephemeral", ttl: "1h" } }]
        },
        { role: "user", content: [{ type: "input_audio", input_audio: { data: "UklGRg==", format: "wav" } }] },
        {
          role: "assistant",
          content: null,
          tool_calls: [{ id: "c1", type: "function", function: { name: "weather", arguments: "{\"city\":\"Rome\"}" } }]
        },
        { role: "tool", tool_call_id: "c1", content: "21" }
      ],
      tools: [{ type: "function", function: { ...weather, strict: true } }],
      tool_choice: { type: "function", function: { name: "weather" } },
      parallel_tool_calls: false,
      response_format: { type: "json_schema", json_schema: { name: "place", schema } },
      temperature: 0.5,
      top_p: 0.9,
      max_completion_tokens: 100,
      stop: "END",
      seed: 7,
      presence_penalty: 0.1,
      frequency_penalty: 0.2,
      reasoning_effort: "low",
      user: "ada",
      metadata: { feature: "search" },
      logit_bias: { 50256: -100 },
      odd: 1
    })
    assert.deepInclude({ includeUsage, model, stream }, { includeUsage: true, model: "m", stream: true })
    assert.deepInclude(request, {
      tools: [{ ...weather, strict: true }],
      toolChoice: { tool: "weather" },
      parallelToolCalls: false,
      temperature: 0.5,
      topP: 0.9,
      maxTokens: 100,
      stop: ["END"],
      seed: 7,
      presencePenalty: 0.1,
      frequencyPenalty: 0.2,
      reasoning: { effort: "low" },
      metadata: { feature: "search", "user-id": "ada" },
      providerOptions: { "openai-chat": { logit_bias: { 50256: -100 } } },
      prompt: [
        { role: "system", content: [{ type: "text", text: "Be brief.", cache: "1h" }] },
        {
          role: "user",
          content: [{ type: "file", media: { type: "base64", base64: "UklGRg==" }, mediaType: "audio/wav" }]
        },
        {
          role: "assistant",
          content: [{
            type: "tool-call",
            id: "c1",
            name: "weather",
            arguments: { city: "Rome" },
            rawArguments: "{\"city\":\"Rome\"}"
          }]
        },
        { role: "tool", content: [{ type: "tool-result", id: "c1", name: "weather", result: "21" }] }
      ]
    })
    assert.deepStrictEqual(request.output.format, { type: "schema", name: "place", schema })
    assert.deepStrictEqual(warnings, [
      "odd is not known here and was left out",
      "logit_bias is taken by openai-chat only"
    ])
  })

  it("Responses", () => {
    const { request } = understood(responses, {
      model: "m",
      instructions: "Be brief.",
      input: [
        {
          role: "user",
          content: [{ type: "input_file", filename: "a.pdf", file_data: "data:application/pdf;base64,JVBERi0=" }]
        },
        { type: "function_call", call_id: "c1", name: "weather", arguments: "{}" },
        { type: "function_call_output", call_id: "c1", output: [{ type: "input_text", text: "21" }] }
      ],
      tools: [{ type: "function", ...weather, strict: false }, { type: "web_search" }],
      tool_choice: "required",
      reasoning: { effort: "high", summary: "auto" },
      text: { format: { type: "json_object" } },
      max_output_tokens: 100,
      store: false,
      include: ["reasoning.encrypted_content"]
    })
    assert.deepInclude(request, {
      toolChoice: "required",
      webSearch: true,
      reasoning: { effort: "high" },
      maxTokens: 100
    })
    assert.strictEqual(request.output.format.type, "json")
    assert.deepStrictEqual(JSON.parse(JSON.stringify(request.prompt)), [
      { role: "system", content: "Be brief." },
      {
        role: "user",
        content: [{
          type: "file",
          media: { type: "base64", base64: "JVBERi0=" },
          mediaType: "application/pdf",
          filename: "a.pdf"
        }]
      },
      {
        role: "assistant",
        content: [{ type: "tool-call", id: "c1", name: "weather", arguments: {}, rawArguments: "{}" }]
      },
      { role: "tool", content: [{ type: "tool-result", id: "c1", name: "weather", result: "21" }] }
    ])
  })

  it("Messages", () => {
    const { request } = understood(messages, {
      model: "m",
      max_tokens: 100,
      system: [{ type: "text", text: "Be brief.", cache_control: { type: "ephemeral" } }],
      messages: [
        { role: "user", content: "Hi" },
        {
          role: "assistant",
          content: [{ type: "thinking", thinking: "Hm.", signature: "c2ln" }, {
            type: "tool_use",
            id: "t1",
            name: "weather",
            input: {}
          }]
        },
        {
          role: "user",
          content: [{ type: "tool_result", tool_use_id: "t1", content: "no", is_error: true }, {
            type: "text",
            text: "Go on"
          }]
        }
      ],
      tools: [{ name: "weather", description: "Of a city", input_schema: parameters }],
      tool_choice: { type: "any", disable_parallel_tool_use: true },
      thinking: { type: "enabled", budget_tokens: 2000 },
      stop_sequences: ["END"],
      top_k: 5,
      metadata: { user_id: "ada" }
    })
    assert.deepInclude(request, {
      tools,
      toolChoice: "required",
      parallelToolCalls: false,
      reasoning: { budgetTokens: 2000 },
      stop: ["END"],
      topK: 5,
      metadata: { "user-id": "ada" }
    })
    assert.deepStrictEqual(JSON.parse(JSON.stringify(request.prompt)), [
      { role: "system", content: [{ type: "text", text: "Be brief.", cache: "5m" }] },
      { role: "user", content: [{ type: "text", text: "Hi" }] },
      {
        role: "assistant",
        content: [
          { type: "reasoning", text: "Hm.", providerMetadata: { messages: { signature: "c2ln" } } },
          { type: "tool-call", id: "t1", name: "weather", arguments: {}, rawArguments: "{}" }
        ]
      },
      { role: "tool", content: [{ type: "tool-result", id: "t1", name: "weather", result: "no", isError: true }] },
      { role: "user", content: [{ type: "text", text: "Go on" }] }
    ])
  })

  it("generateContent, with a schema in the words of OpenAPI", () => {
    const { request } = understood(gemini, {
      model: "m",
      systemInstruction: { parts: [{ text: "Be brief." }] },
      contents: [
        {
          role: "user",
          parts: [{ text: "Hi" }, { fileData: { mimeType: "application/pdf", fileUri: "https://a.test/a.pdf" } }]
        },
        {
          role: "model",
          parts: [{ functionCall: { name: "weather", args: {} } }, { functionCall: { name: "weather", args: {} } }]
        },
        {
          role: "user",
          parts: [{ functionResponse: { name: "weather", response: { result: 1 } } }, {
            functionResponse: { name: "weather", response: { error: "no" } }
          }]
        }
      ],
      tools: [{
        functionDeclarations: [{
          name: "weather",
          description: "Of a city",
          parameters: { type: "OBJECT", properties: { city: { type: "STRING" } } }
        }]
      }],
      toolConfig: { functionCallingConfig: { mode: "ANY", allowedFunctionNames: ["weather"] } },
      generationConfig: {
        responseMimeType: "application/json",
        responseSchema: { type: "ARRAY", items: { type: "STRING", nullable: true }, minItems: "1" },
        thinkingConfig: { thinkingBudget: 0, includeThoughts: true },
        maxOutputTokens: 100,
        stopSequences: ["END"]
      }
    })
    assert.deepInclude(request, {
      tools,
      toolChoice: { tool: "weather" },
      reasoning: { effort: "none" },
      maxTokens: 100,
      stop: ["END"]
    })
    assert.deepStrictEqual(request.output.format, {
      type: "schema",
      name: "answer",
      schema: { type: "array", items: { type: ["string", "null"] }, minItems: 1 }
    })
    assert.deepStrictEqual(JSON.parse(JSON.stringify(request.prompt)).at(-1), {
      role: "tool",
      content: [
        { type: "tool-result", id: "call_1", name: "weather", result: 1 },
        { type: "tool-result", id: "call_2", name: "weather", result: "no", isError: true }
      ]
    })
  })

  it("marks of a cache, where clients of a wire that has none of its own put them", () => {
    const { request } = understood(chat, {
      model: "m",
      messages: [
        {
          role: "assistant",
          tool_calls: [{
            id: "c1",
            type: "function",
            function: { name: "weather", arguments: "{}" },
            cache_control: { type: "ephemeral" }
          }, { id: "c2", type: "function", function: { name: "weather", arguments: "{}" } }]
        },
        { role: "tool", tool_call_id: "c1", content: "21", cache_control: { type: "ephemeral", ttl: "1h" } },
        {
          role: "tool",
          tool_call_id: "c2",
          content: [{ type: "text", text: "22", cache_control: { type: "ephemeral" } }]
        }
      ]
    })
    const [answer, results] = Prompt.toMessages(request.prompt)
    const kept = (message: Prompt.Message | undefined) =>
      typeof message?.content === "string"
        ? []
        : message?.content.map((part) => "cache" in part ? part.cache : undefined)
    assert.deepStrictEqual(kept(answer), ["5m", undefined])
    assert.deepStrictEqual(kept(results), ["1h", "5m"])
  })

  it("adaptive thinking is an effort, with a schema beside it, too", () => {
    const config = (output_config: object | undefined) =>
      understood(messages, { model: "m", max_tokens: 9, messages: [], thinking: { type: "adaptive" }, output_config })
        .request.reasoning
    assert.deepStrictEqual(config(undefined), { effort: "high" })
    assert.deepStrictEqual(config({ format: { type: "json_schema", schema } }), { effort: "high" })
    assert.deepStrictEqual(config({ effort: "low" }), { effort: "low" })
  })

  it("what a function of Google's has put out, or an error of its own, is the result", () => {
    const result = (response: object) => {
      const { request } = understood(gemini, {
        model: "m",
        contents: [
          { role: "model", parts: [{ functionCall: { name: "weather" } }] },
          { role: "user", parts: [{ functionResponse: { name: "weather", response } }] }
        ]
      })
      const { id: _, name: _name, type: _type, ...rest } = object(at(request.prompt, -1, "content", 0))
      return rest
    }
    assert.deepStrictEqual(result({ output: 21 }), { result: 21 })
    assert.deepStrictEqual(result({ result: null }), { result: null })
    assert.deepStrictEqual(result({ error: "no" }), { result: "no", isError: true })
    assert.deepStrictEqual(result({ output: 21, unit: "C" }), { result: { output: 21, unit: "C" } })
  })

  it.effect("fields of one of OpenAI's wires reach that wire only, and those of both either", () =>
    Effect.gen(function*() {
      const sent = (layer: ReturnType<typeof OpenAI.layer>, request: LLM.Request<string>) =>
        Effect.gen(function*() {
          const http = stub(() => jsonResponse({}, { status: 400 }))
          yield* Effect.flip(
            Effect.provide(Effect.flatMap(LLM.LLM, (llm) => llm.generate(request)), Layer.provide(layer, http.layer))
          )
          return object(http.sent[0]?.body)
        })
      const options = { model: "gpt-4.1", apiKey: Redacted.make("k-123456") }
      const { request } = understood(chat, {
        model: "m",
        messages: [{ role: "user", content: "Hi" }],
        verbosity: "low",
        logit_bias: { 1: 2 },
        prompt_cache_key: "k"
      })
      const byChat = yield* sent(OpenAIChat.layer(options), request)
      assert.deepInclude(byChat, { verbosity: "low", logit_bias: { 1: 2 }, prompt_cache_key: "k" })
      const byResponses = yield* sent(OpenAI.layer(options), request)
      assert.deepInclude(byResponses, { text: { verbosity: "low" }, prompt_cache_key: "k" })
      assert.notProperty(byResponses, "logit_bias")
      assert.notProperty(byResponses, "verbosity")
      const asked = understood(responses, {
        model: "m",
        input: "Hi",
        text: { verbosity: "low" },
        truncation: "auto",
        service_tier: "flex"
      })
      const { text: _, ...answered } = yield* sent(OpenAIChat.layer(options), asked.request)
      assert.deepInclude(answered, { verbosity: "low", service_tier: "flex" })
      assert.notProperty(answered, "truncation")
    }))

  it.each([
    ["tools[0].function.examples", chat, {
      model: "m",
      messages: [],
      stream_options: { include_usage: true, include_obfuscation: false },
      response_format: { type: "json_schema", json_schema: { name: "a", schema, strict: true } },
      tools: [{ type: "function", function: { ...weather, strict: true, examples: [] } }]
    }],
    ["tools[1].search_context_size", responses, {
      model: "m",
      input: "Hi",
      text: { format: { type: "json_schema", name: "a", schema, strict: true } },
      tools: [{ type: "function", ...weather, strict: true }, { type: "web_search", search_context_size: "low" }]
    }],
    ["tools[0].input_examples", messages, {
      model: "m",
      max_tokens: 9,
      messages: [],
      tools: [{ name: "weather", input_schema: parameters, input_examples: [] }, {
        type: "web_search_20250305",
        name: "web_search"
      }],
      tool_choice: { type: "auto", disable_parallel_tool_use: true }
    }],
    ["toolConfig.retrievalConfig", gemini, {
      model: "m",
      contents: [],
      tools: [{ functionDeclarations: [{ ...weather, behavior: "BLOCKING" }] }, { googleSearch: {} }],
      toolConfig: { functionCallingConfig: { mode: "AUTO" }, retrievalConfig: { languageCode: "de" } }
    }]
  ])("names what nobody here knows, also inside of tools and formats: %s", (place, read, body) => {
    assert.deepStrictEqual(understood(read, body).warnings, [`${place} is not known here and was left out`])
  })

  it("names no more than fit in a header", () => {
    const odd = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`odd${i}`, i]))
    assert.lengthOf(understood(chat, { model: "m", messages: [], ...odd }).warnings, 30)
  })

  it.each([
    ["n", chat, { model: "m", messages: [], n: 2 }],
    ["logprobs", chat, { model: "m", messages: [], logprobs: true }],
    ["messages[0].role", chat, { model: "m", messages: [{ role: "function", content: "" }] }],
    ["messages[0].tool_call_id", chat, { model: "m", messages: [{ role: "tool", tool_call_id: "x", content: "" }] }],
    ["model", chat, { messages: [] }],
    ["temperature", chat, { model: "m", messages: [], temperature: "hot" }],
    ["previous_response_id", responses, { model: "m", input: "Hi", previous_response_id: "resp_1" }],
    ["background", responses, { model: "m", input: "Hi", background: true }],
    ["input[0]", responses, { model: "m", input: [{ type: "item_reference", id: "x" }] }],
    ["tools[0]", responses, { model: "m", input: "Hi", tools: [{ type: "file_search" }] }],
    ["container", messages, { model: "m", max_tokens: 1, messages: [], container: "c" }],
    ["max_tokens", messages, { model: "m", messages: [] }],
    ["cachedContent", gemini, { model: "m", contents: [], cachedContent: "c" }],
    ["generationConfig.candidateCount", gemini, { model: "m", contents: [], generationConfig: { candidateCount: 2 } }],
    [undefined, chat, "no object"]
  ])("says what is wrong: %s", (parameter, read, body) => {
    assert.strictEqual(refusal(read, body).parameter, parameter)
  })

  it("reads long conversations in a time that grows with them", () => {
    const input = (count: number) => ({
      model: "m",
      input: Array.from({ length: count }, (_, i) => [
        { type: "function_call", call_id: `c${i}`, name: "f", arguments: "{}" }
      ]).flat().concat(
        Array.from(
          { length: count },
          (_, i) => ({ type: "function_call_output", call_id: `c${i}`, name: "f", arguments: "", output: "1" })
        )
      )
    })
    const { request } = understood(responses, input(50_000))
    assert.lengthOf(request.prompt, 2)
  })
})
