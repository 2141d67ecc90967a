/**
 * Models by name: providers, aliases, profiles, and what took the place of retired models. What is known is data in a
 * `Registry`, which a layer changes.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as cascade from "./internal/cascade/layer.ts"
import { suggestion } from "./internal/models/closestNames.ts"
import type { FullName, KnownModels, ModelOf, Other } from "./internal/models/modelNames.ts"
import { LLM, type Options as CallOptions, type Request, type Service } from "./LLM.ts"
import { ConfigurationError } from "./LLMError.ts"
import * as hosts from "./providers/internal/catalog.ts"
import * as known from "./providers/internal/names.ts"
import type * as OpenAICompatible from "./providers/OpenAICompatible.ts"

/**
 * A provider's name; editors complete those that are known.
 *
 * @since 0.1.0
 * @category models
 */
export type ProviderName = keyof KnownModels | Other

/**
 * A model of a provider; editors complete those that are known.
 *
 * @since 0.1.0
 * @category models
 */
export type ModelName<Provider extends string> = ModelOf<Provider>

/**
 * `"provider/model"`; editors complete those that are known.
 *
 * @since 0.1.0
 * @category models
 */
export type Name = FullName

/**
 * An alias; editors complete those that are there from the start.
 *
 * @since 0.1.0
 * @category models
 */
export type Alias = keyof typeof known.aliases | Other

/**
 * Options that every provider takes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Omit<OpenAICompatible.Options, "model"> {
  /** Of a cloud that has them. */
  readonly region?: string | undefined
}

/**
 * A model of a provider.
 *
 * @since 0.1.0
 * @category models
 */
export interface Target {
  /** The provider's name in the registry. */
  readonly provider: string
  /** The model's name, as the provider has it. */
  readonly model: string
}

/**
 * A provider by name: how its layers are made, and what it can do. `fromPreset` makes one of a preset.
 *
 * @since 0.1.0
 * @category models
 */
export interface Provider {
  /** Makes the layer of a model. */
  readonly layer: (
    options: Options & { readonly model: string }
  ) => Layer.Layer<LLM, ConfigurationError, HttpClient.HttpClient>
  /** The module that makes such layers without a name. */
  readonly module: string
  /** The protocol it speaks. */
  readonly wire: "responses" | "chat-completions" | "messages" | "generate-content" | "cohere" | "converse"
  /** Its own address. */
  readonly baseUrl: string
  /** Environment variables of the key, the first one preferred. */
  readonly keyVariables: ReadonlyArray<string>
  /** True where it can be asked without a key. */
  readonly keyOptional: boolean
  /** How it is asked for objects. */
  readonly structured: OpenAICompatible.Structured | ((model: string) => OpenAICompatible.Structured)
  /** Whether it can search the web. */
  readonly webSearch: boolean | ((model: string) => boolean)
  /** Whether a model takes temperature and topP. */
  readonly sampling: (model: string) => boolean
  /** Output ceilings that are lower than what is asked for by default. */
  readonly maxOutputTokens?: ((model: string) => number | undefined) | undefined
}

/**
 * A name for a model with settings; what a call says itself wins.
 *
 * @since 0.1.0
 * @category models
 */
export interface Profile extends Pick<CallOptions, "reasoning" | "providerOptions"> {
  /** The model behind the name. */
  readonly model: string
}

/**
 * What is known. Profiles and retired models are by `"provider/model"`; an alias is one model or several, each of them
 * `"provider/model"`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Contents {
  /** By name. */
  readonly providers: Readonly<Record<string, Provider>>
  /** By name: the models to try, in order. */
  readonly aliases: Readonly<Record<string, ReadonlyArray<string>>>
  /** Models with settings, by `"provider/model"`. */
  readonly profiles: Readonly<Record<string, Profile>>
  /** The model that took the place of `"provider/model"`, at the same provider. */
  readonly retired: Readonly<Record<string, string>>
}

/**
 * What is known unless a program says otherwise.
 *
 * @since 0.1.0
 * @category references
 */
export const defaults: Contents = {
  providers: hosts.providers,
  aliases: known.aliases,
  profiles: known.profiles,
  retired: known.retired
}

/**
 * What is known. A reference with a default: never a requirement.
 *
 * @since 0.1.0
 * @category references
 */
export class Registry extends Context.Reference<Registry>()("effect-majordomo/Models/Registry", {
  defaultValue: (): Contents => defaults
}) {}

/**
 * @since 0.1.0
 * @category models
 */
export interface Changes {
  /** Added, or in the place of those of the same name. */
  readonly providers?: Readonly<Record<string, Provider>> | undefined
  /** Added, or in the place of those of the same name: `"provider/model"`, or several. */
  readonly aliases?: Readonly<Record<string, Name | ReadonlyArray<Name>>> | undefined
  /** Aliases that are to be gone. */
  readonly removeAliases?: ReadonlyArray<string> | undefined
  /** Added, or in the place of those of the same name, by `"provider/model"`. */
  readonly profiles?: Readonly<Record<string, Profile>> | undefined
  /** The model that takes the place of `"provider/model"`, at the same provider. */
  readonly retired?: Readonly<Record<string, string>> | undefined
}

/**
 * The registry with changes on top, for the layers it is provided to. Registries stack: the inner one changes what the
 * outer one gives.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Models, OpenAICompatible } from "effect-majordomo"
 * import { Layer } from "effect"
 *
 * const registry = Models.layerRegistry({
 *   providers: {
 *     acme: Models.fromPreset(OpenAICompatible.preset({ name: "acme", baseUrl: "https://llm.acme.example" }))
 *   },
 *   aliases: { fast: "acme/acme-small" }
 * })
 * const live = Models.layerAlias("fast").pipe(Layer.provide(registry))
 * ```
 */
export const layerRegistry = (changes: Changes): Layer.Layer<never> =>
  // A reference is never required, so providing it gives nothing that a type could show.
  Layer.effect(Registry, Effect.map(Registry, (contents) => changed(contents, changes))) as Layer.Layer<never>

const changed = (contents: Contents, changes: Changes): Contents => {
  const added = Object.entries(changes.aliases ?? {}).map(([name, models]) =>
    [name, typeof models === "string" ? [models] : models] as const
  )
  const kept = Object.entries(contents.aliases).filter(([name]) => changes.removeAliases?.includes(name) !== true)
  return {
    providers: { ...contents.providers, ...changes.providers },
    aliases: Object.fromEntries([...kept, ...added]),
    profiles: { ...contents.profiles, ...changes.profiles },
    retired: { ...contents.retired, ...changes.retired }
  }
}

/**
 * A provider of a preset, for `layerRegistry`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromPreset = (preset: OpenAICompatible.Preset): Provider => hosts.fromPreset(preset)

/**
 * The parts of `"provider/model"`; the model may have slashes of its own.
 *
 * @since 0.1.0
 * @category conversions
 */
export const parse = (name: string): Either.Either<Target, ConfigurationError> => {
  const slash = name.indexOf("/")
  const provider = name.slice(0, Math.max(0, slash)).trim()
  const model = name.slice(slash + 1).trim()
  return slash === -1 || provider === "" || model === ""
    ? Either.left(
      new ConfigurationError({
        description: `"${name}" is not a model: write it as "provider/model", or use Models.layerAlias for an alias`
      })
    )
    : Either.right({ provider, model })
}

/**
 * The layer of a model by name: `("anthropic", "claude-sonnet-5")` or `("anthropic/claude-sonnet-5")`. A profile brings
 * its settings; a retired model is answered by the one that took its place, with a warning on every answer; any other
 * name is passed to the provider as it is.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Models } from "effect-majordomo"
 *
 * const live = Models.layer("together", "zai-org/GLM-5.2")
 * const same = Models.layer("together/zai-org/GLM-5.2", { timeouts: { total: "1 minute" } })
 * ```
 */
export function layer<const Provider extends ProviderName>(
  provider: Provider,
  model: ModelName<Provider>,
  options?: Options
): Layer.Layer<LLM, ConfigurationError, HttpClient.HttpClient>
export function layer(
  name: Name,
  options?: Options
): Layer.Layer<LLM, ConfigurationError, HttpClient.HttpClient>
export function layer(
  first: string,
  second?: string | Options,
  options?: Options
): Layer.Layer<LLM, ConfigurationError, HttpClient.HttpClient> {
  return typeof second === "string"
    ? layerTarget({ provider: first, model: second }, options ?? {})
    : Layer.unwrapEffect(Effect.map(parse(first), (target) => layerTarget(target, second ?? {})))
}

/**
 * The layer of an alias; of several models it is a cascade.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Models } from "effect-majordomo"
 *
 * const live = Models.layerAlias("fast")
 * ```
 */
export const layerAlias = (
  name: Alias,
  options?: Options
): Layer.Layer<LLM, ConfigurationError, HttpClient.HttpClient> =>
  Layer.unwrapEffect(Effect.map(resolve(name), ([target, ...others]) => {
    const member = (one: Target) => layerTarget(one, options ?? {})
    return others.length === 0 ? member(target)
      : cascade.layer([member(target), ...others.map(member)], cascade.inOrder)
  }))

/**
 * Layers of several models, by name.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerAll = <const Names extends ReadonlyArray<Name>>(
  names: Names,
  options?: Options
): { readonly [K in Names[number]]: Layer.Layer<LLM, ConfigurationError, HttpClient.HttpClient> } =>
  // The keys are the names given.
  Object.fromEntries(names.map((name) => [name, layer(name, options)])) as {
    readonly [K in Names[number]]: Layer.Layer<LLM, ConfigurationError, HttpClient.HttpClient>
  }

/**
 * The models behind an alias, in the order in which they are to be tried.
 *
 * @since 0.1.0
 * @category accessors
 */
export const resolve = (alias: Alias): Effect.Effect<readonly [Target, ...Array<Target>], ConfigurationError> =>
  Effect.gen(function*() {
    const { aliases } = yield* Registry
    const [first, ...others] = find(aliases, alias) ?? []
    if (first === undefined) {
      return yield* new ConfigurationError({
        description: `there is no alias "${alias}"${suggestion(alias, Object.keys(aliases))}`
      })
    }
    return [yield* parse(first), ...(yield* Effect.forEach(others, parse))]
  })

const format = ({ model, provider }: Target): string => `${provider}/${model}`

// Names come from users: "constructor" is none.
const find = <A>(record: Readonly<Record<string, A>>, name: string): A | undefined =>
  Object.hasOwn(record, name) ? record[name] : undefined

const findProvider = (name: string): Effect.Effect<Provider, ConfigurationError> =>
  Effect.gen(function*() {
    const { providers } = yield* Registry
    const provider = find(providers, name)
    if (provider !== undefined) return provider
    return yield* new ConfigurationError({
      description: `there is no provider "${name}"${suggestion(name, Object.keys(providers))}`
    })
  })

const layerTarget = (
  target: Target,
  options: Options
): Layer.Layer<LLM, ConfigurationError, HttpClient.HttpClient> =>
  Layer.unwrapEffect(Effect.gen(function*() {
    const provider = yield* findProvider(target.provider)
    const { profiles, retired } = yield* Registry
    const profile = find(profiles, format(target))
    const asked = profile?.model ?? target.model
    const replacement = find(retired, format({ ...target, model: asked }))
    const made = provider.layer({
      ...options,
      model: replacement ?? asked,
      ...(replacement === undefined ? {} : {
        warnings: [
          ...options.warnings ?? [],
          { code: "deprecated-model" as const, message: `${asked} is retired; ${replacement} answers in its place` }
        ]
      })
    })
    if (profile === undefined && replacement === undefined) return made
    return Layer.map(
      made,
      (context) => Context.make(LLM, named(Context.get(context, LLM), target.model, profile ?? {}))
    )
  }))

/** The service under the name the user asked for, with the settings of its profile. */
const named = (service: Service, name: string, profile: Pick<Profile, "reasoning" | "providerOptions">): Service => {
  const settled = <A, R>(request: Request<A, R>): Request<A, R> =>
    request.reasoning === undefined
      ? {
        ...request,
        reasoning: profile.reasoning,
        providerOptions: profile.providerOptions === undefined
          ? request.providerOptions
          : { ...profile.providerOptions, ...request.providerOptions }
      }
      : request
  return {
    ...service,
    generate: (request) =>
      Effect.map(service.generate(settled(request)), (response) => ({ ...response, requestedModel: name })),
    stream: (request) =>
      Stream.map(
        service.stream(settled(request)),
        (part) => part._tag === "Finish" ? { ...part, response: { ...part.response, requestedModel: name } } : part
      )
  }
}

/**
 * What is known of a model.
 *
 * @since 0.1.0
 * @category models
 */
export interface Capabilities {
  /** It takes temperature and topP. */
  readonly sampling: boolean
  /** It can search the web. */
  readonly webSearch: boolean
  /** How an object is asked for. */
  readonly structured: OpenAICompatible.Structured
  /** Output ceiling, where it is lower than what is asked for by default. */
  readonly maxOutputTokens: number | undefined
}

/**
 * What a model can do, as far as it is known; one that is not known can do what its provider can.
 *
 * @since 0.1.0
 * @category accessors
 */
export const capabilities = (provider: string, model: string): Effect.Effect<Capabilities, ConfigurationError> =>
  Effect.map(findProvider(provider), ({ maxOutputTokens, sampling, structured, webSearch }) => ({
    sampling: sampling(model),
    webSearch: typeof webSearch === "function" ? webSearch(model) : webSearch,
    structured: typeof structured === "function" ? structured(model) : structured,
    maxOutputTokens: maxOutputTokens?.(model)
  }))

/**
 * A line about a provider, for tables.
 *
 * @since 0.1.0
 * @category models
 */
export interface Row {
  /** The name in the registry. */
  readonly provider: string
  /** The module with its layers. */
  readonly module: string
  /** The protocol it speaks. */
  readonly wire: Provider["wire"]
  /** Its own address. */
  readonly baseUrl: string
  /** Environment variables of the key, the first one preferred. */
  readonly keyVariables: ReadonlyArray<string>
  /** True where it can be asked without a key. */
  readonly keyOptional: boolean
  /** How it is asked for objects. */
  readonly structured: OpenAICompatible.Structured | "by model"
  /** Whether it can search the web. */
  readonly webSearch: "yes" | "no" | "by model"
}

/**
 * All providers and what each can do.
 *
 * @since 0.1.0
 * @category accessors
 */
export const list = (contents: Contents = defaults): ReadonlyArray<Row> =>
  Object.entries(contents.providers).map(([name, provider]) => ({
    provider: name,
    module: provider.module,
    wire: provider.wire,
    baseUrl: provider.baseUrl,
    keyVariables: provider.keyVariables,
    keyOptional: provider.keyOptional,
    structured: typeof provider.structured === "function" ? "by model" : provider.structured,
    webSearch: typeof provider.webSearch === "function" ? "by model" : provider.webSearch ? "yes" : "no"
  }))
