/** What both wires of OpenAI have in common: headers, tool choice and errors. */
import type { Asked, Dialect } from "../dialect.ts"
import type { ErrorKind } from "../reply.ts"

export const headers: Dialect["headers"] = (number) => ({
  "x-request-id": `req_fake_${number}`,
  "openai-processing-ms": "12",
  "openai-version": "2020-10-01"
})

export const toolChoice = (choice: unknown, forced: string | undefined): Asked["toolChoice"] =>
  forced !== undefined ? { tool: forced } : choice === "none" || choice === "required" ? choice : "auto"

export const messages: Readonly<Record<ErrorKind, string>> = {
  invalid: "Unsupported value: 'temperature' does not support 3 with this model.",
  "context-length":
    "This model's maximum context length is 128000 tokens. However, your messages resulted in 200000 tokens.",
  authentication:
    "Incorrect API key provided. You can find your API key at https://platform.openai.com/account/api-keys.",
  quota: "You exceeded your current quota, please check your plan and billing details.",
  permission: "Country, region, or territory not supported",
  "not-found": "The requested model does not exist or you do not have access to it.",
  "rate-limited": "Rate limit reached for requests per min (RPM): Limit 500, Used 500, Requested 1.",
  timeout: "The request timed out.",
  server: "The server had an error while processing your request. Sorry about that!",
  overloaded: "Our servers are currently overloaded. Please try again later."
}

/** The parameters that are meant. */
export const parameters: Partial<Record<ErrorKind, string>> = {
  invalid: "temperature",
  "context-length": "messages",
  "not-found": "model"
}
