/** The wires as a hand-written client sees them: how to ask, and where the answer is. */

export type Loose = { readonly [key: string]: unknown }

export const object = (value: unknown): Loose =>
  typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value)) : {}

export const at = (value: unknown, ...path: ReadonlyArray<string | number>): unknown =>
  path.reduce<unknown>((here, step) => Array.isArray(here) ? here.at(Number(step)) : object(here)[step], value)

export interface Event {
  readonly event: string | undefined
  readonly data: string
}

/** Whole events only: what has no blank line after it does not count. */
export const parseSse = (text: string): ReadonlyArray<Event> =>
  text.split(/\r?\n\r?\n/).slice(0, -1).map((block) => {
    const field = (name: string) =>
      block.split(/\r?\n/).filter((line) => line.startsWith(`${name}: `)).map((line) => line.slice(name.length + 2))
    return { event: field("event")[0], data: field("data").join("\n") }
  })

export interface Ask {
  readonly stream?: boolean
  readonly schema?: Loose
  readonly tool?: Loose
  readonly toolResult?: boolean
}

export interface WireUnderTest {
  readonly name: "responses" | "chat-completions" | "messages" | "generate-content" | "cohere"
  readonly path: (stream: boolean) => string
  readonly body: (ask: Ask) => Loose
  readonly text: (body: unknown) => unknown
  readonly toolCall: (body: unknown) => { readonly name: unknown; readonly input: unknown }
  readonly finish: (body: unknown) => unknown
  readonly tokens: (body: unknown) => unknown
  /** The text a stream's content events add up to. */
  readonly streamedText: (events: ReadonlyArray<Event>) => string
  readonly contentEvents: (events: ReadonlyArray<Event>) => number
  readonly isComplete: (events: ReadonlyArray<Event>) => boolean
  readonly errorType: (body: unknown) => unknown
  /** What it calls 429, 529, 401, 400 and 404. */
  readonly errors: { readonly [status: number]: string }
}

const prompt = "Hello, wörld"
const tool = { name: "get_weather", description: "Weather" }
const datas = (events: ReadonlyArray<Event>) =>
  events.flatMap((event) => event.data === "[DONE]" ? [] : [JSON.parse(event.data)])
const strings = (values: ReadonlyArray<unknown>): string => values.filter((value) => typeof value === "string").join("")
const count = (values: ReadonlyArray<unknown>): number =>
  values.filter((value) => typeof value === "string" && value !== "").length
const parsed = (value: unknown): unknown => typeof value === "string" ? JSON.parse(value) : value

const responses: WireUnderTest = {
  name: "responses",
  path: () => "/v1/responses",
  body: ({ schema, stream = false, tool: parameters, toolResult = false }) => ({
    model: "gpt-test",
    stream,
    input: [
      { role: "user", content: [{ type: "input_text", text: prompt }] },
      ...(toolResult ? [{ type: "function_call_output", call_id: "c1", output: "21" }] : [])
    ],
    ...(parameters === undefined ? {} : { tools: [{ type: "function", ...tool, parameters }] }),
    ...(schema === undefined ? {} : { text: { format: { type: "json_schema", name: "x", schema } } })
  }),
  text: (body) => at(body, "output", -1, "content", 0, "text"),
  toolCall: (body) => ({
    name: at(body, "output", -1, "name"),
    input: parsed(at(body, "output", -1, "arguments"))
  }),
  finish: (body) => at(body, "incomplete_details", "reason") ?? at(body, "status"),
  tokens: (body) => at(body, "usage", "input_tokens"),
  streamedText: (events) =>
    strings(datas(events).filter((data) => data.type === "response.output_text.delta").map((data) => data.delta)),
  contentEvents: (events) => count(datas(events).map((data) => data.delta)),
  isComplete: (events) => events.at(-1)?.event === "response.completed",
  errorType: (body) => at(body, "error", "code") ?? at(body, "code"),
  errors: {
    429: "rate_limit_exceeded",
    529: "server_is_overloaded",
    401: "invalid_api_key",
    400: "unsupported_value",
    404: "model_not_found"
  }
}

const chat: WireUnderTest = {
  name: "chat-completions",
  path: () => "/any/prefix/v1/chat/completions",
  body: ({ schema, stream = false, tool: parameters, toolResult = false }) => ({
    model: "gpt-test",
    ...(stream ? { stream, stream_options: { include_usage: true } } : {}),
    messages: [
      { role: "system", content: "Be brief" },
      { role: "user", content: prompt },
      ...(toolResult ? [{ role: "tool", tool_call_id: "c1", content: "21" }] : [])
    ],
    ...(parameters === undefined ? {} : { tools: [{ type: "function", function: { ...tool, parameters } }] }),
    ...(schema === undefined
      ? {}
      : { response_format: { type: "json_schema", json_schema: { name: "x", schema, strict: true } } })
  }),
  text: (body) => at(body, "choices", 0, "message", "content"),
  toolCall: (body) => {
    const call = at(body, "choices", 0, "message", "tool_calls", 0, "function")
    return { name: at(call, "name"), input: parsed(at(call, "arguments")) }
  },
  finish: (body) => at(body, "choices", 0, "finish_reason"),
  tokens: (body) => at(body, "usage", "prompt_tokens"),
  streamedText: (events) => strings(datas(events).map((data) => at(data, "choices", 0, "delta", "content"))),
  contentEvents: (events) => count(datas(events).map((data) => at(data, "choices", 0, "delta", "content"))),
  isComplete: (events) => events.at(-1)?.data === "[DONE]",
  errorType: (body) => at(body, "error", "code"),
  errors: responses.errors
}

const messages: WireUnderTest = {
  name: "messages",
  path: () => "/v1/messages",
  body: ({ schema, stream = false, tool: parameters, toolResult = false }) => ({
    model: "claude-test",
    max_tokens: 100,
    stream,
    messages: [
      { role: "user", content: prompt },
      ...(toolResult ? [{ role: "user", content: [{ type: "tool_result", tool_use_id: "c1", content: "21" }] }] : [])
    ],
    ...(parameters === undefined ? {} : { tools: [{ ...tool, input_schema: parameters }] }),
    ...(schema === undefined ? {} : { output_config: { format: { type: "json_schema", schema } } })
  }),
  text: (body) => at(body, "content", -1, "text"),
  toolCall: (body) => ({ name: at(body, "content", -1, "name"), input: at(body, "content", -1, "input") }),
  finish: (body) => at(body, "stop_reason"),
  tokens: (body) => at(body, "usage", "input_tokens"),
  streamedText: (events) => strings(datas(events).map((data) => at(data, "delta", "text"))),
  contentEvents: (events) => count(datas(events).map((data) => at(data, "delta", "text"))),
  isComplete: (events) => events.at(-1)?.event === "message_stop",
  errorType: (body) => at(body, "error", "type"),
  errors: {
    429: "rate_limit_error",
    529: "overloaded_error",
    401: "authentication_error",
    400: "invalid_request_error",
    404: "not_found_error"
  }
}

const gemini: WireUnderTest = {
  name: "generate-content",
  path: (stream) =>
    stream
      ? "/v1beta/models/gemini-test:streamGenerateContent?alt=sse"
      : "/v1beta/models/gemini-test:generateContent",
  body: ({ schema, tool: parameters, toolResult = false }) => ({
    contents: [
      { role: "user", parts: [{ text: prompt }] },
      ...(toolResult
        ? [{ role: "user", parts: [{ functionResponse: { name: "get_weather", response: { celsius: 21 } } }] }]
        : [])
    ],
    ...(parameters === undefined ? {}
      : { tools: [{ functionDeclarations: [{ ...tool, parametersJsonSchema: parameters }] }] }),
    ...(schema === undefined
      ? {}
      : { generationConfig: { responseMimeType: "application/json", responseJsonSchema: schema } })
  }),
  text: (body) => at(body, "candidates", 0, "content", "parts", -1, "text"),
  toolCall: (body) => {
    const call = at(body, "candidates", 0, "content", "parts", -1, "functionCall")
    return { name: at(call, "name"), input: at(call, "args") }
  },
  finish: (body) => at(body, "candidates", 0, "finishReason"),
  tokens: (body) => at(body, "usageMetadata", "promptTokenCount"),
  streamedText: (events) =>
    strings(datas(events).map((data) => at(data, "candidates", 0, "content", "parts", 0, "text"))),
  contentEvents: (events) =>
    count(datas(events).map((data) => at(data, "candidates", 0, "content", "parts", 0, "text"))),
  isComplete: (events) => datas(events).some((data) => at(data, "candidates", 0, "finishReason") === "STOP"),
  errorType: (body) => at(body, "error", "status"),
  errors: {
    429: "RESOURCE_EXHAUSTED",
    529: "UNAVAILABLE",
    401: "UNAUTHENTICATED",
    400: "INVALID_ARGUMENT",
    404: "NOT_FOUND"
  }
}

const cohere: WireUnderTest = {
  name: "cohere",
  path: () => "/v2/chat",
  body: ({ schema, stream = false, tool: parameters, toolResult = false }) => ({
    model: "command-test",
    ...(stream ? { stream } : {}),
    messages: [
      { role: "system", content: "Be brief" },
      { role: "user", content: prompt },
      ...(toolResult ? [{ role: "tool", tool_call_id: "c1", content: "21" }] : [])
    ],
    ...(parameters === undefined ? {} : { tools: [{ type: "function", function: { ...tool, parameters } }] }),
    ...(schema === undefined ? {} : { response_format: { type: "json_object", json_schema: schema } })
  }),
  text: (body) => at(body, "message", "content", -1, "text"),
  toolCall: (body) => {
    const call = at(body, "message", "tool_calls", -1, "function")
    return { name: at(call, "name"), input: parsed(at(call, "arguments")) }
  },
  finish: (body) => at(body, "finish_reason"),
  tokens: (body) => at(body, "usage", "billed_units", "input_tokens"),
  streamedText: (events) => strings(datas(events).map((data) => at(data, "delta", "message", "content", "text"))),
  contentEvents: (events) => count(datas(events).map((data) => at(data, "delta", "message", "content", "text"))),
  isComplete: (events) => events.at(-1)?.event === "message-end",
  errorType: (body) =>
    /overloaded|rate limit|api token|invalid request|not found/.exec(String(at(body, "message")))?.[0],
  errors: {
    429: "rate limit",
    529: "overloaded",
    401: "api token",
    400: "invalid request",
    404: "not found"
  }
}

export const wires: ReadonlyArray<WireUnderTest> = [responses, chat, messages, gemini, cohere]
export const said = `You said: ${prompt}`
