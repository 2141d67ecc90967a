/** Gemini's generateContent as the provider speaks it. Source: ai.google.dev/api and recorded traffic, 2026-11. */
import { asArray, asObject, asString, type Loose } from "../../../internal/json/values.ts"
import { serve } from "../../../internal/wires/generate-content/serve.ts"
import { type Asked, asSchema, type Dialect, textOf } from "../dialect.ts"
import type { ErrorKind } from "../reply.ts"
import { writing } from "./answered.ts"

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

const texts: Readonly<Record<ErrorKind, string>> = {
  invalid: "Invalid value at 'generation_config.temperature'.",
  "context-length": "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
  authentication: "API key not valid. Please pass a valid API key.",
  quota: "Billing is not enabled for this project.",
  permission: "The caller does not have permission",
  "not-found": "models/gemini-unknown is not found for API version v1beta.",
  "rate-limited": "Resource has been exhausted (e.g. check quota).",
  timeout: "Deadline expired before operation could complete.",
  server: "An internal error has occurred.",
  overloaded: "The model is overloaded. Please try again later."
}

const written = writing({
  serve,
  id: (number) => `fake-${number}`,
  // Only the first call of a turn that thought carries the signature.
  call: (number, first) => ({
    "generate-content": first ? { thoughtSignature: `fake-signature-${number}` } : {}
  }),
  messages: texts
})

/** A bad key comes as 400, a bad token as 401. */
const error: Dialect["error"] = (kind, facts = {}) =>
  kind !== "authentication" || facts.status === 401 ? written.error(kind, facts) : {
    error: {
      code: facts.status ?? 400,
      message: texts.authentication,
      status: "INVALID_ARGUMENT",
      details: [
        { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "API_KEY_INVALID", domain: "googleapis.com" }
      ]
    }
  }

export const generateContent: Dialect = {
  name: "generate-content",
  callId: "",
  newline: "\r\n",
  headers: () => ({ "server-timing": "gfet4t7; dur=12", vary: "Origin" }),
  ask,
  ...written,
  error,
  errorFrames: (kind) => [{ data: error(kind) }]
}
