/** What a wire finds of its own in a conversation, under its name or the one it was stored under before. */
import type { JsonObject, ProviderMetadata, ProviderPart } from "../../Prompt.ts"

const formerNames: Readonly<Record<string, string>> = {
  responses: "openai-responses",
  messages: "anthropic",
  "generate-content": "gemini",
  converse: "bedrock"
}

/** What was kept with a part for this wire. */
export const metadataOf = (
  part: { readonly providerMetadata?: ProviderMetadata | undefined },
  wire: string
): JsonObject | undefined => {
  const { providerMetadata } = part
  if (providerMetadata === undefined) return undefined
  return providerMetadata[wire] ?? providerMetadata[formerNames[wire] ?? wire]
}

/** A part that this provider made over this wire, and that only it understands. */
export const isOwn = (part: ProviderPart, wire: string, provider: string): boolean =>
  part.wire === `${wire}:${provider}` || part.wire === `${formerNames[wire] ?? wire}:${provider}`
