/** Names of providers: fields under them are for that provider alone. */
import { hosts } from "../hosts/rows.ts"

/** A gateway that decides itself where a model is served: what it says of that is believed. */
export const gateway: string = hosts.majordomo.name

const names = new Set([
  ...Object.keys(hosts),
  "openai",
  "openai-responses",
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
