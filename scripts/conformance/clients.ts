/**
 * Recorded traffic of one wire, asked for by a client of another: `Gateway.serve` stands between them, and the client
 * understands what the recording says.
 */
import { Context, Effect, Either, Layer, Option, Redacted, Stream } from "effect"
import { Anthropic, Gemini, LLM, LLMError, OpenAI, OpenAIChat, Output, Prompt, Retry } from "effect-majordomo"
import type { Response } from "effect-majordomo"
import { isDeepStrictEqual } from "node:util"
import * as Gateway from "../../src/gateway/Gateway.ts"
import { problemOf } from "../../src/internal/wires/serving.ts"
import { blockProblems } from "./blocks.ts"
import type { Case, Server, Split } from "./cases.ts"
import {
  type Answer,
  compareParts,
  compareStructured,
  compareUsage,
  type Differ,
  layerOf,
  run,
  schemaOf,
  show
} from "./check.ts"

const common = { apiKey: Redacted.make("conformance-key"), retry: Retry.none }

/** Clients by the protocol they speak. */
const clients = {
  chat: (baseUrl: string) => OpenAIChat.layer({ ...common, model: "gpt-4.1", baseUrl }),
  responses: (baseUrl: string) => OpenAI.layer({ ...common, model: "gpt-4.1", baseUrl }),
  messages: (baseUrl: string) => Anthropic.layer({ ...common, model: "claude-sonnet-4-5", baseUrl }),
  gemini: (baseUrl: string) => Gemini.layer({ ...common, model: "gemini-2.5-pro", baseUrl })
} as const

export type Client = keyof typeof clients

export const clientsOf = (name: string): ReadonlyArray<Client> => {
  const all = Object.keys(clients).filter((client): client is Client => Object.hasOwn(clients, client))
  return name === "all" ? all : all.filter((client) => client === name)
}

/** A recording, named by the words of the request. */
const jobs = (services: ReadonlyArray<LLM.Service>): LLM.Service => {
  const asked = (request: { readonly prompt: Prompt.Input }): LLM.Service | undefined => {
    const content = Prompt.toMessages(request.prompt).at(-1)?.content
    const text = typeof content === "string" ? content
      : content?.map((part) => part.type === "text" ? part.text : "").join("")
    return services[Number(/job (\d+)/.exec(text ?? "")?.[1])]
  }
  return {
    provider: "conformance",
    model: "conformance",
    generate: (request) => asked(request)?.generate(request) ?? Effect.dieMessage("no such job"),
    stream: (request) => asked(request)?.stream(request) ?? Stream.dieMessage("no such job")
  }
}

type Result = Either.Either<Answer, LLMError.LLMError>

/** What the client reads, against the recording and against what the library reads of it without a gateway. */
const compare = (item: Case, client: Client, direct: Result, result: Result): ReadonlyArray<string> => {
  const problems: Array<string> = []
  const differ: Differ = (what, actual, expected) => {
    if (!isDeepStrictEqual(actual, expected)) problems.push(`${what}: ${show(actual)}, expected ${show(expected)}`)
  }
  if (Either.isLeft(direct)) {
    if (Either.isRight(result)) return [`answered, expected ${LLMError.tagOf(direct.left)}`]
    compareErrors(direct.left, result.left, differ)
    return problems
  }
  if (Either.isLeft(result)) return [`failed: ${result.left.message}`]
  const { parts, response } = result.right
  const { expect } = item
  const wanted = direct.right.response
  differ("text", response.text, expect.text ?? "")
  differ("reasoning", Option.getOrNull(response.reasoning), expect.reasoning === "" ? null : expect.reasoning)
  differ("finish reason", response.finishReason, finishReasonOf(wanted, client))
  differ("tool calls", callsOf(item, response, client), callsOf(item, wanted, client))
  if (expect.usage !== null) {
    const { cacheCreationTokens } = wanted.usage
    // Google's wire does not say what was written to a cache.
    const usage = client === "gemini" ? { ...response.usage, cacheCreationTokens } : response.usage
    compareUsage(item, { ...response, usage }, differ)
  }
  if (item.stream) {
    compareParts(response, parts, differ)
    problems.push(...blockProblems(parts))
  }
  return problems
}

/** Only Google's wire has a word for an ending that no other knows. */
const finishReasonOf = ({ finishReason, toolCalls }: Response.Response<unknown>, client: Client) =>
  finishReason === "other" && client !== "gemini" ? toolCalls.length > 0 ? "tool-calls" : "stop" : finishReason

const callsOf = ({ expect }: Case, { toolCalls }: Response.Response<unknown>, client: Client) =>
  toolCalls.map(({ arguments: value, id, name, rawArguments }, i) => ({
    // One that the provider gave none was made here.
    ...(expect.toolCalls[i]?.id ? { id } : {}),
    name,
    // Two wires carry arguments as values: what is no JSON, or no object, has no place there.
    arguments: client === "chat" || client === "responses"
      ? rawArguments ?? JSON.stringify(value)
      : typeof value === "object" && !Array.isArray(value)
      ? value ?? {}
      : {}
  }))

const compareErrors = (direct: LLMError.LLMError, error: LLMError.LLMError, differ: Differ) => {
  const isAnswer = direct._tag === "ContentFilteredError" || direct._tag === "ResponseTruncatedError"
  if (isAnswer) {
    differ("error", error._tag, direct._tag)
    differ("text", "text" in error ? error.text : undefined, direct.text)
    return
  }
  const [actual, wanted] = [problemOf(error), problemOf(direct)]
  differ("kind of error", actual.kind, wanted.kind)
  if (!actual.message.includes(wanted.message.split(": ").at(-1) ?? "")) {
    differ("message", actual.message, wanted.message)
  }
  if (wanted.kind === "rate-limited" || wanted.kind === "overloaded") {
    // A header has whole seconds.
    const wait = actual.retryAfter === undefined ? undefined : Math.ceil(actual.retryAfter)
    differ("wait", wait, wanted.retryAfter === undefined ? undefined : Math.ceil(wanted.retryAfter))
  }
}

const asked = (llm: LLM.Service, item: Case, index: number, output: Output.Output<unknown>) =>
  run(item, output, `job ${index}`).pipe(
    Effect.provideService(LLM.LLM, llm),
    Effect.timeoutFail({ duration: "20 seconds", onTimeout: LLMError.withoutFinish }),
    Effect.either
  )

export const check = (
  cases: ReadonlyArray<Case>,
  modes: ReadonlyArray<Split>,
  server: Server,
  names: ReadonlyArray<Client>
) =>
  Effect.gen(function*() {
    const all = modes.flatMap((split) => cases.map((item) => ({ item, split })))
    const services = yield* Effect.forEach(all, ({ item, split }) => {
      const layer = layerOf(item, server.url(item, split))
      return layer === undefined
        ? Effect.dieMessage(`no provider for the dialect ${item.dialect}`)
        : Effect.map(Layer.build(layer), Context.get(LLM.LLM))
    })
    const gateway = yield* Layer.build(Gateway.serve(Layer.succeed(LLM.LLM, jobs(services)), { port: 0 }))
    const { url } = Context.get(gateway, Gateway.Gateway)
    const results = yield* Effect.forEach(names, (name) =>
      Effect.gen(function*() {
        const client = yield* Effect.map(Layer.build(clients[name](url)), Context.get(LLM.LLM))
        return yield* Effect.forEach(all, ({ item, split }, index) =>
          Effect.gen(function*() {
            const service = services[index]
            if (service === undefined) return yield* Effect.dieMessage("no such job")
            const direct = yield* asked(service, item, index, Output.text)
            const problems = [...compare(item, name, direct, yield* asked(client, item, index, Output.text))]
            const schema = schemaOf(item)
            if (schema !== undefined && problems.length === 0 && Either.isRight(direct)) {
              compareStructured(item, yield* asked(client, item, index, Output.jsonSchema(schema)), problems)
            }
            return { item: { id: `${name} < ${item.id}` }, split, problems }
          }), { concurrency: 8 })
      }))
    return results.flat()
  })
