/** Names of providers: fields under them are for that provider alone. */

const names = new Set([
  "openai",
  "anthropic",
  "gemini",
  "cohere",
  "bedrock",
  "bedrock-mantle"
])

/** A layer of this name was made. */
export const addProvider = (name: string): void => {
  names.add(name)
}

export const isProviderName = (name: string): boolean => names.has(name)
