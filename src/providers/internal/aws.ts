/** What Amazon's two APIs have in common: the region, and the vendor's own name of a model. */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import { ConfigurationError } from "../../LLMError.ts"

export const keyVariable = "AWS_BEARER_TOKEN_BEDROCK"

const regionVariables = ["AWS_REGION", "AWS_DEFAULT_REGION"]

/** The region given, or that of the environment; undefined when there is none. */
export const findRegion = (
  provider: string,
  given: string | undefined
): Effect.Effect<string | undefined, ConfigurationError> =>
  Effect.gen(function*() {
    let region = given?.trim()
    for (const variable of regionVariables) {
      if (region !== undefined && region !== "") break
      region = (yield* Effect.orElseSucceed(Config.string(variable), () => "")).trim()
    }
    if (region === undefined || region === "") return undefined
    // It becomes a part of the host name that gets the key.
    if (/^[a-z0-9-]+$/.test(region)) return region
    return yield* new ConfigurationError({ provider, description: "the region is not the name of an AWS region" })
  })

export const noRegion = (provider: string): ConfigurationError =>
  new ConfigurationError({
    provider,
    variable: regionVariables[0],
    description: `no region: set ${regionVariables.join(" or ")}, or give options.region`
  })
