/** The rules of a program, which have not come through a file. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { ConfigurationError } from "../../../LLMError.ts"
import { type Rule, Rules } from "./rule.ts"

const validate = Schema.validateEither(Rules)

export const rulesOf = (rules: ReadonlyArray<Rule>): Effect.Effect<ReadonlyArray<Rule>, ConfigurationError> =>
  Either.match(validate(rules), {
    onLeft: (error) =>
      Effect.fail(
        new ConfigurationError({
          description: `limits: ${
            ParseResult.ArrayFormatter.formatErrorSync(error).map(({ message, path }) =>
              `${path.map(String).join(".")}: ${message}`
            ).join("; ")
          }`
        })
      ),
    onRight: (valid) => Effect.succeed(valid)
  })
