/** What a model of `ai` throws, as an error of ours. */
import { APICallError, LoadAPIKeyError, UnsupportedFunctionalityError } from "@ai-sdk/provider"
import { kindOf } from "../../../internal/call/logFailure.ts"
import * as errors from "../../../internal/http/errors.ts"
import { redacted } from "../../../internal/http/secrets.ts"
import { isObject, parse } from "../../../internal/json/values.ts"
import * as LLMError from "../../../LLMError.ts"

interface Where {
  readonly provider: string
  readonly model: string
}

/** The key is the model's own and not known here: what looks like one is taken out. */
const scrub = (text: string): string => text.replaceAll(/\b(?:sk-|AIza|gsk_|xai-|mdm_|Bearer )[\w.*-]{8,}/g, redacted)

export const toLLMError = (thrown: unknown, where: Where, now: number): LLMError.LLMError => {
  if (APICallError.isInstance(thrown)) {
    const { statusCode } = thrown
    if (statusCode === undefined) return transport(where, thrown.message)
    // A success whose body broke off, or is not what the protocol says.
    if (statusCode < 400) {
      return isNetwork(thrown.cause) ? transport(where, thrown.message) : malformed(where, thrown.message)
    }
    const body = thrown.responseBody
    return errors.toLLMError({
      ...where,
      status: statusCode,
      headers: thrown.responseHeaders ?? {},
      now,
      body,
      facts: {
        ...(body === undefined ? undefined : errors.readErrorBody(parse(body))),
        message: thrown.message
      },
      scrub
    })
  }
  if (LoadAPIKeyError.isInstance(thrown)) {
    return new LLMError.ProviderError({
      ...where,
      reason: new LLMError.Authentication(),
      description: scrub(thrown.message)
    })
  }
  if (UnsupportedFunctionalityError.isInstance(thrown)) {
    return new LLMError.ProviderError({
      ...where,
      reason: new LLMError.Unsupported({ feature: thrown.functionality })
    })
  }
  if (isObject(thrown) && !(thrown instanceof Error)) return inBand(thrown, where, now)
  return isNetwork(thrown) ? transport(where, thrown.message)
    : malformed(where, `the model failed with ${kindOf(thrown)}`)
}

/** What `fetch` throws when a connection fails. */
const isNetwork = (thrown: unknown): thrown is Error => thrown instanceof Error && thrown.name === "TypeError"

const malformed = (where: Where, message: string) =>
  new LLMError.ProviderError({ ...where, reason: new LLMError.MalformedResponse(), description: scrub(message) })

/** An error event of the provider's, as it stood in the stream. */
const inBand = (event: { readonly [key: string]: unknown }, where: Where, now: number): LLMError.LLMError =>
  errors.toLLMError({
    ...where,
    status: 200,
    headers: {},
    now,
    facts: errors.readErrorBody("error" in event ? event : { error: event }) ??
      { message: "the provider sent an error" },
    scrub
  })

const transport = (where: Where, message: string) =>
  new LLMError.ProviderError({ ...where, reason: new LLMError.Transport(), description: scrub(message) })
