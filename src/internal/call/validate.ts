/** Checks a request before anything is sent. */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import type { Options, Timeouts } from "../../LLM.ts"
import type { Message, TextPart } from "../../Prompt.ts"
import { asObject, isObject } from "../json/values.ts"
import type { Call } from "./driver.ts"

type Invalid = Call["invalid"]

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

/** What a program without types may pass as a prompt; readers of prompts rely on its form. */
export const form = ({ prompt }: Options, invalid: Invalid): void => {
  const given: unknown = prompt
  if (typeof given === "string") return
  if (!Array.isArray(given)) return invalid("InvalidPrompt", "must be a text or a list of messages", "prompt")
  const messages: ReadonlyArray<unknown> = given
  for (const [i, message] of messages.entries()) {
    const content = asObject(message)["content"]
    if (typeof content !== "string" && !(Array.isArray(content) && content.every(isObject))) {
      invalid("InvalidPrompt", "must be a message with a text or a list of parts", `prompt[${i}]`)
    }
  }
}

/** The limits of a layer and of a request alike. */
export const limits = (timeouts: Timeouts | undefined, invalid: Invalid): void => {
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
