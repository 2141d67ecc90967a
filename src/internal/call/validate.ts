/** Checks a request before anything is sent. */
import type { Options } from "../../LLM.ts"
import type { Message, TextPart } from "../../Prompt.ts"
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
