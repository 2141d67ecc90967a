/** Fields of a provider's own body: those of its layer, under those of the request. */
import type { Options, Settings } from "../../LLM.ts"
import { isObject, type Loose, merge } from "../json/values.ts"
import { isProviderName } from "../models/providerNames.ts"
import type { Driver } from "./driver.ts"

type ProviderOptions = Options["providerOptions"]

/** Undefined when there are none for this provider. */
export const providerOptionsOf = <S>(
  settings: Settings,
  request: Options,
  driver: Driver<S>
): Loose | undefined => {
  const own = forProvider(settings.providerOptions, driver)
  const asked = forProvider(request.providerOptions, driver)
  return own === undefined ? asked : asked === undefined ? own : merge(own, asked)
}

/** OpenAI has two wires with fields of their own. */
const openAIWires: Readonly<Record<string, string>> = {
  "openai-chat": "chat-completions",
  "openai-responses": "responses"
}

/**
 * An object under a provider's name is for that provider alone. What stands beside it is for whoever is asked, as the
 * body's own fields.
 */
const forProvider = <S>(options: ProviderOptions, { provider, wire }: Driver<S>): Loose | undefined => {
  if (options === undefined) return undefined
  let common: Record<string, unknown> | undefined
  let named: Loose | undefined
  for (const [key, value] of Object.entries(options)) {
    if (!isObject(value) || !isProviderName(key)) (common ??= {})[key] = value
    else if (key === provider || (provider === "openai" && openAIWires[key] === wire.name)) {
      named = named === undefined ? value : merge(named, value)
    }
  }
  return common === undefined ? named : named === undefined ? common : merge(common, named)
}
