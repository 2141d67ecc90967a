/** Asking again for an answer that did not match, with what is wrong with it. */
import { formatPath, type ResponseParsingError } from "../../LLMError.ts"
import * as Prompt from "../../Prompt.ts"

const maxIssues = 20

export const repairPrompt = (prompt: Prompt.Input, error: ResponseParsingError): ReadonlyArray<Prompt.Message> => {
  const issues = error.issues.slice(0, maxIssues).map(({ message, path }) =>
    `- ${path.length === 0 ? "" : `${formatPath(path)}: `}${message}`
  )
  return [
    ...Prompt.toMessages(prompt),
    Prompt.assistant(error.text),
    Prompt.user(
      `That answer cannot be used:\n${issues.join("\n")}\nGive the whole answer again as JSON, with this corrected.`
    )
  ]
}
