/**
 * Claude on Amazon's bedrock-mantle endpoint: the Anthropic Messages API, authorised as Bedrock is. Source:
 * docs.aws.amazon.com/bedrock, 2026-11.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Wire } from "../internal/call/driver.ts"
import * as capabilities from "../internal/models/capabilities.ts"
import type { ModelOf } from "../internal/models/modelNames.ts"
import * as messages from "../internal/wires/messages/answer.ts"
import { LLM, type Service } from "../LLM.ts"
import type { ConfigurationError } from "../LLMError.ts"
import * as aws from "./internal/aws.ts"
import * as provider from "./internal/toDriver.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options extends provider.Options {
  /** The model's name, as the provider has it; editors complete those that are known. */
  readonly model: ModelOf<"bedrock-mantle">
  /** Default: from `AWS_REGION` or `AWS_DEFAULT_REGION`. */
  readonly region?: string | undefined
  /** A cache breakpoint after the system prompt: false for none, or how long it lasts. Default true, 5 minutes. */
  readonly promptCaching?: boolean | "5m" | "1h" | undefined
  /** Provider name on answers, for another host of this API. Default `"bedrock-mantle"`. */
  readonly provider?: string | undefined
}

/** What a model can do goes by its vendor's name for it; it is asked for by Amazon's. */
const wire = (options: Options): Wire<messages.State> => {
  const caching = options.promptCaching ?? true
  const own = messages.wire({ promptCaching: caching === true ? "5m" : caching })
  return {
    ...own,
    lower: (call) => {
      if (call.options.webSearch === true) call.unsupported("web search")
      const lowered = own.lower({ ...call, model: capabilities.claudeName(call.model) ?? call.model })
      return { ...lowered, body: { ...lowered.body, model: call.model } }
    }
  }
}

const make = (options: Options): Effect.Effect<Service, ConfigurationError, HttpClient.HttpClient> =>
  Effect.gen(function*() {
    const name = options.provider ?? "bedrock-mantle"
    const region = yield* aws.findRegion(name, options.region)
    // The address of a gateway says nothing of the region.
    if (region === undefined && options.baseUrl === undefined) return yield* aws.noRegion(name)
    const preset: provider.Preset<messages.State> = {
      provider: name,
      wire: wire(options),
      baseUrl: `https://bedrock-mantle.${region}.api.aws`,
      prefix: "/anthropic/v1",
      path: () => "/messages",
      keyVariables: [aws.keyVariable],
      keyOptional: options.provider !== undefined,
      auth: provider.bearer,
      headers: { "anthropic-version": "2023-06-01" },
      gatewayHeaders: region === undefined ? {} : { "x-majordomo-bedrock-region": region }
    }
    return yield* provider.make(preset, options)
  })

/**
 * The token comes from `AWS_BEARER_TOKEN_BEDROCK` when it is not given, the region from `AWS_REGION` or
 * `AWS_DEFAULT_REGION`. For the models of this endpoint that speak the Responses API, use `OpenAI.layer` with its
 * address as `baseUrl`.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { BedrockMantle, LLM } from "effect-majordomo"
 * import * as UndiciHttpClient from "effect-majordomo/UndiciHttpClient"
 * import { Effect, Layer } from "effect"
 *
 * const live = BedrockMantle.layer({ model: "anthropic.claude-opus-4-8", region: "us-east-1" }).pipe(
 *   Layer.provide(UndiciHttpClient.layer)
 * )
 * const program = LLM.generateText({ prompt: "Hello" }).pipe(Effect.provide(live))
 * ```
 */
export const layer = (options: Options): Layer.Layer<LLM, ConfigurationError, HttpClient.HttpClient> =>
  Layer.effect(LLM, make(options))

/**
 * The same with options from the configuration.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  options: provider.Configurable<Options>
): Layer.Layer<LLM, ConfigurationError | ConfigError.ConfigError, HttpClient.HttpClient> =>
  provider.layerConfig(layer, options)
