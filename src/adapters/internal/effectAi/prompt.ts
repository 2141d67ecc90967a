/** A prompt of `@effect/ai` as messages of ours. */
import type * as AiPrompt from "@effect/ai/Prompt"
import { toJson } from "../../../internal/json/toJson.ts"
import * as Prompt from "../../../Prompt.ts"
import { metadataField } from "../vercelAi/metadata.ts"

type Options = { readonly [provider: string]: unknown }

/** Its options are whatever was written; ours are read and believed when they are what we wrote. */
const kept = (options: Options) => metadataField({ majordomo: Object(options["majordomo"]) })

export const toMessages = (prompt: AiPrompt.Prompt): ReadonlyArray<Prompt.Message> =>
  prompt.content.map((message): Prompt.Message => {
    switch (message.role) {
      case "system":
        return Prompt.system(message.content)
      case "user":
        return Prompt.user(message.content.map((part) => part.type === "text" ? Prompt.text(part.text) : toFile(part)))
      case "assistant":
        return Prompt.assistant(message.content.flatMap((part): ReadonlyArray<Prompt.AssistantPart> => {
          switch (part.type) {
            case "text":
            case "reasoning":
              return [{ type: part.type, text: part.text, ...kept(part.options) }]
            case "tool-call":
              return [{
                type: "tool-call",
                id: part.id,
                name: part.name,
                arguments: toJson(part.params),
                ...kept(part.options)
              }]
            // What a provider's own tool gave, and files of an assistant, have no place with us.
            case "tool-result":
            case "file":
              return []
          }
        }))
      case "tool":
        return Prompt.tool(
          message.content.map((part) =>
            Prompt.toolResult(part, toJson(part.result), part.isFailure ? { isError: true } : {})
          )
        )
    }
  })

const toFile = (part: AiPrompt.FilePart): Prompt.ImagePart | Prompt.FilePart => {
  const known = part.mediaType.includes("*") ? {} : { mediaType: part.mediaType }
  return part.mediaType.startsWith("image/")
    ? Prompt.image(part.data, known)
    : Prompt.file(part.data, { ...known, ...(part.fileName === undefined ? {} : { filename: part.fileName }) })
}
