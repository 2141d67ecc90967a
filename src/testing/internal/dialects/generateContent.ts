/** Gemini's generateContent as the provider speaks it. Source: ai.google.dev/api and recorded traffic, 2026-11. */
import { asArray, asObject, asString, type Loose } from "../../../internal/json/values.ts"
import type { JsonObject } from "../../../Prompt.ts"
import { type Answer, type Asked, asSchema, type Dialect, type Frame, pieces, textOf } from "../dialect.ts"
import type { ErrorKind } from "../reply.ts"

const ask = (body: Loose, path: string): Asked => {
  const contents = asArray(body["contents"]).map(asObject)
  const users = contents.filter((content) => content["role"] !== "model")
  const config = asObject(body["generationConfig"])
  const calling = asObject(asObject(body["toolConfig"])["functionCallingConfig"])
  const allowed = asArray(calling["allowedFunctionNames"])
  return {
    stream: path.includes(":streamGenerateContent"),
    model: decodeURIComponent(/\/models\/([^/:?]+)/.exec(path)?.[1] ?? ""),
    system: textOf(asObject(body["systemInstruction"])["parts"]),
    lastUser: users.map((content) => textOf(content["parts"])).filter((text) => text !== "").at(-1) ?? "",
    hasToolResult: contents.some((content) =>
      asArray(content["parts"]).some((part) => asObject(part)["functionResponse"] !== undefined)
    ),
    tools: asArray(body["tools"]).flatMap((tool) => asArray(asObject(tool)["functionDeclarations"])).map(asObject)
      .map((tool) => ({
        name: asString(tool["name"]) ?? "",
        schema: asSchema(tool["parametersJsonSchema"] ?? tool["parameters"]) ?? {}
      })),
    toolChoice: calling["mode"] === "NONE"
      ? "none"
      : calling["mode"] !== "ANY"
      ? "auto"
      : allowed.length === 1
      ? { tool: String(allowed[0]) }
      : "required",
    json: config["responseMimeType"] === "application/json",
    schema: asSchema(config["responseJsonSchema"] ?? config["responseSchema"])
  }
}

const finishOf = (answer: Answer): string =>
  answer.refusal !== undefined ? "SAFETY" : answer.truncated ? "MAX_TOKENS" : "STOP"

const usageOf = ({ usage }: Answer): JsonObject =>
  usage === undefined ? {} : {
    usageMetadata: {
      promptTokenCount: usage.inputTokens,
      candidatesTokenCount: usage.outputTokens - usage.reasoningTokens,
      totalTokenCount: usage.totalTokens,
      ...(usage.cachedInputTokens === 0 ? {} : { cachedContentTokenCount: usage.cachedInputTokens }),
      promptTokensDetails: [{ modality: "TEXT", tokenCount: usage.inputTokens }],
      ...(usage.reasoningTokens === 0 ? {} : { thoughtsTokenCount: usage.reasoningTokens })
    }
  }

const envelope = (answer: Answer) => ({
  ...usageOf(answer),
  modelVersion: answer.model,
  responseId: `fake-${answer.number}`
})

const parts = (
  answer: Answer,
  texts: ReadonlyArray<string>,
  thoughts: ReadonlyArray<string>
): ReadonlyArray<JsonObject> => [
  ...thoughts.map((text) => ({ text, thought: true })),
  ...texts.map((text) => ({ text })),
  ...answer.toolCalls.map((call, index) => ({
    functionCall: { name: call.name, args: call.arguments },
    // Only the first call of a turn that thought carries the signature.
    ...(answer.reasoning !== undefined && index === 0 ? { thoughtSignature: `fake-signature-${answer.number}` } : {})
  }))
]

const ending = (answer: Answer): JsonObject => ({
  finishReason: finishOf(answer),
  ...(answer.refusal === undefined ? {} : {
    finishMessage: answer.refusal,
    safetyRatings: [{ category: "HARM_CATEGORY_DANGEROUS_CONTENT", probability: "HIGH", blocked: true }]
  }),
  ...(answer.toolCalls.length === 0 ? {} : { finishMessage: "Model generated function call(s)." })
})

const whole = (answer: Answer): JsonObject => {
  const all = parts(
    answer,
    answer.text === "" || answer.refusal !== undefined ? [] : [answer.text],
    answer.reasoning === undefined ? [] : [answer.reasoning]
  )
  return {
    candidates: [{
      ...(all.length === 0 ? {} : { content: { parts: all, role: "model" } }),
      ...ending(answer),
      index: 0
    }],
    ...envelope(answer)
  }
}

function* frames(answer: Answer): Generator<Frame> {
  const texts = answer.refusal === undefined ? answer.pieces : []
  for (const part of parts(answer, texts, pieces(answer.reasoning ?? ""))) {
    yield {
      content: true,
      data: { candidates: [{ content: { parts: [part], role: "model" }, index: 0 }], ...envelope(answer) }
    }
  }
  const last = answer.refusal === undefined ? { content: { parts: [{ text: "" }], role: "model" } } : {}
  yield { data: { candidates: [{ ...last, ...ending(answer), index: 0 }], ...envelope(answer) } }
}

const rows: Readonly<Record<ErrorKind, readonly [code: number, status: string, message: string]>> = {
  invalid: [400, "INVALID_ARGUMENT", "Invalid value at 'generation_config.temperature'."],
  "context-length": [
    400,
    "INVALID_ARGUMENT",
    "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."
  ],
  authentication: [400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."],
  quota: [402, "FAILED_PRECONDITION", "Billing is not enabled for this project."],
  permission: [403, "PERMISSION_DENIED", "The caller does not have permission"],
  "not-found": [404, "NOT_FOUND", "models/gemini-unknown is not found for API version v1beta."],
  "rate-limited": [429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."],
  timeout: [504, "DEADLINE_EXCEEDED", "Deadline expired before operation could complete."],
  server: [500, "INTERNAL", "An internal error has occurred."],
  overloaded: [503, "UNAVAILABLE", "The model is overloaded. Please try again later."]
}

const error: Dialect["error"] = (kind, { retryAfter, status } = {}) => {
  const [usual, word, message] = rows[kind]
  const code = status ?? usual
  const details: ReadonlyArray<JsonObject> = [
    ...(kind === "authentication"
      ? [{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "API_KEY_INVALID", domain: "googleapis.com" }]
      : []),
    ...(retryAfter === undefined
      ? []
      : [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: `${retryAfter}s` }])
  ]
  // A bad key comes as 400, a bad token as 401.
  const named = code === 401 ? "UNAUTHENTICATED" : word
  return { error: { code, message, status: named, ...(details.length === 0 ? {} : { details }) } }
}

export const generateContent: Dialect = {
  name: "generate-content",
  callId: "",
  newline: "\r\n",
  headers: () => ({ "server-timing": "gfet4t7; dur=12", vary: "Origin" }),
  ask,
  whole,
  frames,
  error,
  errorFrames: (kind) => [{ data: error(kind) }]
}
