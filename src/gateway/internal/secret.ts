/** A secret of the configuration: given, or in the environment variable that it names. */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { ConfigurationError } from "../../LLMError.ts"

export const secretOf = (
  secret: Redacted.Redacted | { readonly env: string },
  place: string
): Effect.Effect<Redacted.Redacted, ConfigurationError> =>
  Redacted.isRedacted(secret) ? Effect.succeed(secret) : Effect.mapError(
    Config.redacted(secret.env),
    () =>
      new ConfigurationError({
        variable: secret.env,
        description: `${place}: the environment variable ${secret.env} is not set`
      })
  )
