/** One whole answer for `ai`. */
import type { LanguageModelV4GenerateResult } from "@ai-sdk/provider"
import * as Effect from "effect/Effect"
import type { Service } from "../../../LLM.ts"
import type { LLMError } from "../../../LLMError.ts"
import { shortfallOf, toResult } from "./answer.ts"
import type { Asked } from "./request.ts"

export const generated = (llm: Service, asked: Asked): Effect.Effect<LanguageModelV4GenerateResult, LLMError> =>
  llm.generate(asked.request).pipe(
    Effect.map((answer) => toResult(answer, asked.isStructured, asked.warnings)),
    Effect.catchAll((error) => {
      const shortfall = shortfallOf(error)
      if (shortfall === undefined) return Effect.fail(error)
      const { finishReason, modelId, providerMetadata, text, usage } = shortfall
      return Effect.succeed({
        content: text === "" ? [] : [{ type: "text" as const, text }],
        finishReason,
        usage,
        providerMetadata,
        response: { modelId },
        warnings: [...asked.warnings]
      })
    })
  )
