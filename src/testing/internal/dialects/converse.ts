/** Bedrock's Converse as the provider speaks it. Source: docs.aws.amazon.com/bedrock and recorded traffic, 2026-11. */
import { exceptionPrefix } from "../../../internal/http/eventStream.ts"
import { encode } from "../../../internal/http/eventStreamFrame.ts"
import { asArray, asObject, asString, type Loose, parse } from "../../../internal/json/values.ts"
import type { JsonObject } from "../../../Prompt.ts"
import { type Answer, type Asked, asSchema, type Dialect, type Frame, pieces, textOf } from "../dialect.ts"
import type { ErrorKind } from "../reply.ts"

const ask = (body: Loose, path: string): Asked => {
  const users = asArray(body["messages"]).map(asObject).filter((message) => message["role"] === "user")
  const config = asObject(body["toolConfig"])
  const choice = asObject(config["toolChoice"])
  const format = asObject(asObject(body["outputConfig"])["textFormat"])
  const written = asString(asObject(asObject(format["structure"])["jsonSchema"])["schema"])
  return {
    stream: /\/converse-stream(\?|$)/.test(path),
    model: decodeURIComponent(/\/model\/([^/]+)\//.exec(path)?.[1] ?? ""),
    system: textOf(body["system"]),
    lastUser: users.map((message) => textOf(message["content"])).filter((text) => text !== "").at(-1) ?? "",
    hasToolResult: users.some((message) => asArray(message["content"]).some((part) => "toolResult" in asObject(part))),
    tools: asArray(config["tools"]).map((tool) => asObject(asObject(tool)["toolSpec"])).map((tool) => ({
      name: asString(tool["name"]) ?? "",
      schema: asSchema(asObject(tool["inputSchema"])["json"]) ?? {}
    })),
    toolChoice: "tool" in choice
      ? { tool: asString(asObject(choice["tool"])["name"]) ?? "" }
      : "any" in choice
      ? "required"
      : "auto",
    json: written !== undefined,
    schema: written === undefined ? undefined : asSchema(parse(written))
  }
}

const stopOf = (answer: Answer): string =>
  answer.refusal !== undefined
    ? "content_filtered"
    : answer.truncated
    ? "max_tokens"
    : answer.toolCalls.length > 0
    ? "tool_use"
    : "end_turn"

const usageOf = ({ usage }: Answer): JsonObject =>
  usage === undefined ? {} : {
    usage: {
      inputTokens: usage.inputTokens - usage.cachedInputTokens - usage.cacheCreationTokens,
      outputTokens: usage.outputTokens,
      totalTokens: usage.totalTokens,
      cacheReadInputTokens: usage.cachedInputTokens,
      cacheWriteInputTokens: usage.cacheCreationTokens
    }
  }

const metadata = (answer: Answer): JsonObject => ({ metrics: { latencyMs: 10 }, ...usageOf(answer) })

interface Block {
  readonly whole: JsonObject
  /** Only a tool's block is announced. */
  readonly start?: JsonObject
  readonly deltas: ReadonlyArray<JsonObject>
}

const blocks = (answer: Answer): ReadonlyArray<Block> => {
  const { reasoning } = answer
  const text = answer.refusal ?? answer.text
  const texts = answer.refusal === undefined ? answer.pieces : pieces(answer.refusal)
  const signature = `fake-signature-${answer.number}`
  return [
    ...(reasoning === undefined ? [] : [{
      whole: { reasoningContent: { reasoningText: { text: reasoning, signature } } },
      deltas: [...pieces(reasoning).map((text) => ({ text })), { signature }].map((reasoningContent) => ({
        reasoningContent
      }))
    }]),
    ...(text === "" ? [] : [{ whole: { text }, deltas: texts.map((text) => ({ text })) }]),
    ...answer.toolCalls.map(({ arguments: input, id, name, pieces }) => ({
      whole: { toolUse: { toolUseId: id, name, input } },
      start: { toolUse: { toolUseId: id, name } },
      deltas: pieces.map((input) => ({ toolUse: { input } }))
    }))
  ]
}

const whole = (answer: Answer): JsonObject => ({
  output: { message: { role: "assistant", content: blocks(answer).map((block) => block.whole) } },
  stopReason: stopOf(answer),
  ...metadata(answer)
})

function* frames(answer: Answer): Generator<Frame> {
  yield { event: "messageStart", data: { role: "assistant" } }
  for (const [contentBlockIndex, { deltas, start }] of blocks(answer).entries()) {
    if (start !== undefined) yield { event: "contentBlockStart", data: { contentBlockIndex, start } }
    for (const delta of deltas) {
      yield { event: "contentBlockDelta", data: { contentBlockIndex, delta }, content: true }
    }
    yield { event: "contentBlockStop", data: { contentBlockIndex } }
  }
  yield { event: "messageStop", data: { stopReason: stopOf(answer) } }
  yield { event: "metadata", data: metadata(answer) }
}

const rows: Readonly<Record<ErrorKind, readonly [type: string, message: string]>> = {
  invalid: ["ValidationException", "1 validation error detected: temperature must be less than or equal to 1"],
  "context-length": ["ValidationException", "Input is too long for requested model."],
  authentication: ["UnrecognizedClientException", "The security token included in the request is invalid."],
  quota: ["ServiceQuotaExceededException", "Your request exceeds the service quota for your account."],
  permission: ["AccessDeniedException", "You don't have access to the model with the specified model ID."],
  "not-found": ["ResourceNotFoundException", "The specified model ID was not found."],
  "rate-limited": ["ThrottlingException", "Too many requests, please wait before trying again."],
  timeout: ["ModelTimeoutException", "The request took too long to process."],
  server: ["InternalServerException", "The system encountered an unexpected error during processing."],
  overloaded: ["ServiceUnavailableException", "Bedrock is unable to process your request."]
}

export const converse: Dialect = {
  name: "converse",
  callId: "tooluse_",
  newline: "\n",
  headers: (number) => ({ "x-amzn-requestid": `fake-${number}` }),
  ask,
  whole,
  frames,
  error: (kind) => ({ message: rows[kind][1] }),
  errorHeaders: (kind) => ({ "x-amzn-errortype": rows[kind][0] }),
  errorFrames: (kind) => {
    const [type, message] = rows[kind]
    return [{ event: `${exceptionPrefix}${type.charAt(0).toLowerCase()}${type.slice(1)}`, data: { message } }]
  },
  stream: { contentType: "application/vnd.amazon.eventstream", encode }
}
