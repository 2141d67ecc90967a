/**
 * Amazon Bedrock over the Converse API: one wire for the models of all vendors there. Source:
 * docs.aws.amazon.com/bedrock, 2026-11.
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { ModelOf } from "../internal/models/modelNames.ts"
import * as converse from "../internal/wires/converse/answer.ts"
import { LLM, type Service } from "../LLM.ts"
import type { ConfigurationError } from "../LLMError.ts"
import * as aws from "./internal/aws.ts"
import * as signing from "./internal/signing.ts"
import * as provider from "./internal/toDriver.ts"

/**
 * Keys of an AWS account, where there is no bearer token.
 *
 * @since 0.1.0
 * @category models
 */
export type Credentials = signing.Credentials

/**
 * @since 0.1.0
 * @category models
 */
export interface Options extends provider.Options {
  /** The model's name, as the provider has it; editors complete those that are known. */
  readonly model: ModelOf<"bedrock">
  /** Default: from `AWS_REGION` or `AWS_DEFAULT_REGION`. */
  readonly region?: string | undefined
  /**
   * Sign requests (SigV4) instead of sending a bearer token; an `apiKey` wins. An effect is run for every try, so that
   * temporary keys can be renewed. Needs the packages `@smithy/signature-v4` and `@aws-crypto/sha256-js`.
   */
  readonly credentials?: Credentials | Effect.Effect<Credentials, unknown> | undefined
  /**
   * A cache point after the system prompt: false for none (default), or how long it lasts. Not every model knows them.
   */
  readonly promptCaching?: boolean | "5m" | "1h" | undefined
  /** Provider name on answers, for another host of this API. Default `"bedrock"`. */
  readonly provider?: string | undefined
}

/**
 * Keys from `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`.
 *
 * @since 0.1.0
 * @category config
 */
export const credentials: Config.Config<Credentials> = Config.all({
  accessKeyId: Config.nonEmptyString("AWS_ACCESS_KEY_ID"),
  secretAccessKey: Config.redacted("AWS_SECRET_ACCESS_KEY"),
  sessionToken: Config.map(Config.option(Config.redacted("AWS_SESSION_TOKEN")), Option.getOrUndefined)
})

const make = (options: Options): Effect.Effect<Service, ConfigurationError, HttpClient.HttpClient> =>
  Effect.gen(function*() {
    const name = options.provider ?? "bedrock"
    const caching = options.promptCaching ?? false
    const signs = options.apiKey === undefined && options.credentials !== undefined
    const region = yield* aws.findRegion(name, options.region)
    // The address of a gateway says nothing of the region; a signature names it.
    if (region === undefined && (options.baseUrl === undefined || signs)) return yield* aws.noRegion(name)
    const preset: provider.Preset<converse.State> = {
      provider: name,
      wire: converse.wire({ promptCaching: caching === true ? "5m" : caching }),
      baseUrl: `https://bedrock-runtime.${region}.amazonaws.com${region?.startsWith("cn-") === true ? ".cn" : ""}`,
      prefix: "",
      path: (model, stream) => `/model/${encodeURIComponent(model)}/converse${stream ? "-stream" : ""}`,
      keyVariables: signs ? [] : [aws.keyVariable],
      keyOptional: options.provider !== undefined,
      auth: provider.bearer,
      gatewayHeaders: region === undefined ? {} : { "x-majordomo-bedrock-region": region }
    }
    const made = provider.make(preset, options)
    if (!signs || region === undefined) return yield* made
    const { credentials } = options
    if (credentials === undefined) return yield* made
    const sign = yield* signing.load(name, { service: "bedrock", region })
    const client = signing.client(
      yield* HttpClient.HttpClient,
      sign,
      Effect.isEffect(credentials) ? credentials : Effect.succeed(credentials)
    )
    return yield* Effect.provideService(made, HttpClient.HttpClient, client)
  })

/**
 * The token comes from `AWS_BEARER_TOKEN_BEDROCK` when it is not given, the region from `AWS_REGION` or
 * `AWS_DEFAULT_REGION`. A structured answer is asked for through a tool; `structured: "native"` asks for it directly,
 * where the model can.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Bedrock, LLM } from "effect-majordomo"
 * import * as UndiciHttpClient from "effect-majordomo/UndiciHttpClient"
 * import { Effect, Layer } from "effect"
 *
 * const live = Bedrock.layer({ model: "us.amazon.nova-2-lite-v1:0", region: "us-east-1" }).pipe(
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
