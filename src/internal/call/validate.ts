/** Checks a request before anything is sent. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Options, Service, Timeouts } from "../../LLM.ts"
import { InvalidRequestError } from "../../LLMError.ts"
import type { Message, TextPart } from "../../Prompt.ts"
import { asObject, isObject } from "../json/values.ts"
import type { Call } from "./driver.ts"

type Invalid = Call["invalid"]
type Report = (...args: Parameters<Invalid>) => void

const finite = (invalid: Invalid, parameter: string, value: number | undefined, min: number, max: number) => {
  if (value !== undefined && !(value >= min && value <= max)) {
    invalid("InvalidParameter", `must be a number from ${min} to ${max}, got ${value}`, parameter)
  }
}

const whole = (invalid: Invalid, parameter: string, value: number | undefined, min: number) => {
  if (value !== undefined && !(Number.isSafeInteger(value) && value >= min)) {
    invalid("InvalidParameter", `must be a whole number of at least ${min}, got ${value}`, parameter)
  }
}

const lone = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/

const wellFormed: (text: string) => boolean = "isWellFormed" in String.prototype
  // ES2024, in Node 20 and every current browser; the types of this project's target do not know it.
  ? (text) => (text as string & { isWellFormed: () => boolean }).isWellFormed()
  : (text) => !lone.test(text)

export const options = (request: Options, toolName: RegExp, invalid: Invalid): void => {
  finite(invalid, "temperature", request.temperature, 0, 2)
  finite(invalid, "topP", request.topP, 0, 1)
  whole(invalid, "maxTokens", request.maxTokens, 1)
  whole(invalid, "topK", request.topK, 1)
  finite(invalid, "presencePenalty", request.presencePenalty, -2, 2)
  finite(invalid, "frequencyPenalty", request.frequencyPenalty, -2, 2)
  whole(invalid, "seed", request.seed, Number.MIN_SAFE_INTEGER)
  whole(invalid, "repair", request.repair, 0)
  whole(invalid, "reasoning.budgetTokens", request.reasoning?.budgetTokens, 0)
  for (const stop of request.stop ?? []) {
    if (stop === "") invalid("InvalidParameter", "a stop sequence must not be empty", "stop")
    text(invalid, stop, "stop")
  }
  const names = new Set<string>()
  for (const tool of request.tools ?? []) {
    if (!toolName.test(tool.name)) {
      invalid("InvalidTool", `the name ${JSON.stringify(tool.name)} must match ${toolName.source}`, "tools")
    }
    if (names.has(tool.name)) invalid("InvalidTool", `two tools are named ${JSON.stringify(tool.name)}`, "tools")
    names.add(tool.name)
  }
  const choice = request.toolChoice
  if (typeof choice === "object" && !names.has(choice.tool)) {
    invalid(
      "InvalidTool",
      `toolChoice names ${JSON.stringify(choice.tool)}, which is not among the tools`,
      "toolChoice"
    )
  }
  if (choice === "required" && names.size === 0) {
    invalid("InvalidTool", "toolChoice is \"required\" but there are no tools", "toolChoice")
  }
}

const roles: ReadonlySet<unknown> = new Set(["system", "user", "assistant", "tool"])

/** Whether a part has what its type says; what is in it is the wires' concern. */
const isPart = (part: unknown): boolean => {
  if (!isObject(part)) return false
  switch (part["type"]) {
    case "text":
    case "reasoning":
      return typeof part["text"] === "string"
    case "image":
    case "file":
      return isObject(part["media"])
    case "tool-call":
    case "tool-result":
      return typeof part["id"] === "string" && typeof part["name"] === "string"
    case "provider":
      return typeof part["wire"] === "string" && isObject(part["value"])
    default:
      return false
  }
}

const isTool = (tool: unknown): boolean => {
  const { name, parameters } = asObject(tool)
  return typeof name === "string" && isObject(parameters)
}

const isMessage = (message: unknown): boolean => {
  const { content, role } = asObject(message)
  return roles.has(role) &&
    ((typeof content === "string" && role !== "tool") || (Array.isArray(content) && content.every(isPart)))
}

/** What a program without types may pass; whoever reads a request relies on its form. */
const form = (request: Options, invalid: Report): void => {
  const { prompt, stop, system, tools } = request as { readonly [name in keyof Options]?: unknown }
  if (typeof prompt !== "string") {
    if (!Array.isArray(prompt)) invalid("InvalidPrompt", "must be a text or a list of messages", "prompt")
    else {
      const wrong = prompt.findIndex((message) => !isMessage(message))
      if (wrong >= 0) {
        invalid("InvalidPrompt", "must be a message with a role and a text or a list of parts", `prompt[${wrong}]`)
      }
    }
  }
  if (system !== undefined && typeof system !== "string") invalid("InvalidPrompt", "must be a text", "system")
  if (
    tools !== undefined && !(Array.isArray(tools) && tools.every(isTool))
  ) {
    invalid("InvalidTool", "must be a list of tools", "tools")
  }
  if (stop !== undefined && !(Array.isArray(stop) && stop.every((text) => typeof text === "string"))) {
    invalid("InvalidParameter", "must be a list of texts", "stop")
  }
}

/** What is wrong with a request, whoever answers it; undefined: nothing. */
export const refusalOf = (
  { model, provider }: { readonly model: string; readonly provider: string },
  request: Options
): InvalidRequestError | undefined => {
  let refusal: InvalidRequestError | undefined
  const invalid = (reason: InvalidRequestError["reason"], description: string, parameter?: string) => {
    refusal ??= new InvalidRequestError({ provider, model, reason, description, parameter })
  }
  form(request, invalid)
  limits(request.timeouts, invalid)
  return refusal
}

/** A service that reads requests before a provider has seen them: it gets only those that have the form of one. */
export const checked = (service: Service): Service => ({
  ...service,
  generate: (request) => {
    const refusal = refusalOf(service, request)
    return refusal === undefined ? service.generate(request) : Effect.fail(refusal)
  },
  stream: (request) => {
    const refusal = refusalOf(service, request)
    return refusal === undefined ? service.stream(request) : Stream.fail(refusal)
  }
})

/** The limits of a layer and of a request alike. */
export const limits = (timeouts: Timeouts | undefined, invalid: Report): void => {
  if (timeouts !== undefined && !isObject(timeouts)) {
    return invalid("InvalidParameter", "must be an object of limits", "timeouts")
  }
  for (const phase of ["total", "firstToken", "betweenTokens"] as const) {
    const limit = timeouts?.[phase]
    if (limit !== undefined && Option.isNone(Duration.decodeUnknown(limit))) {
      invalid("InvalidParameter", "cannot be read as a duration", `timeouts.${phase}`)
    }
  }
}

const text = (invalid: Invalid, value: string, parameter: string) => {
  if (!wellFormed(value)) {
    invalid("InvalidPrompt", "the text has half of a surrogate pair, which is no valid Unicode", parameter)
  }
}

export const prompt = (messages: ReadonlyArray<Message>, system: ReadonlyArray<TextPart>, invalid: Invalid): void => {
  for (const part of system) text(invalid, part.text, "system")
  let content = false
  for (const [i, message] of messages.entries()) {
    const at = `prompt[${i}]`
    if (typeof message.content === "string") {
      text(invalid, message.content, at)
      if (message.content !== "" && message.role !== "system") content = true
      continue
    }
    for (const part of message.content) {
      if (part.type === "text" || part.type === "reasoning") {
        text(invalid, part.text, at)
        if (part.text !== "") content = true
      } else content = true
      if (part.type === "tool-result" && typeof part.result === "string") text(invalid, part.result, at)
    }
  }
  if (!content) invalid("InvalidPrompt", "the prompt is empty", "prompt")
}
