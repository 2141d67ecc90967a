/**
 * What `majordomo keys` and its like act upon: the gateway's database, or with `--url` a gateway that runs, through the typed
 * client of its administrators' API.
 */
import * as HttpApiClient from "@effect/platform/HttpApiClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Admin from "../gateway/Admin.ts"
import * as ApiKeys from "../gateway/ApiKeys.ts"
import * as Gateway from "../gateway/Gateway.ts"
import * as ProviderKeys from "../gateway/ProviderKeys.ts"
import { configured } from "./gateway.ts"
import { CommandError, UsageError } from "./screen.ts"

/** Where to. */
export interface Place {
  readonly config: Option.Option<string>
  readonly url: Option.Option<string>
  readonly token: Option.Option<Redacted.Redacted>
}

type Failure = { readonly message: string }

export interface Service {
  readonly create: (options: ApiKeys.CreateOptions) => Effect.Effect<ApiKeys.Created, Failure>
  readonly list: Effect.Effect<ReadonlyArray<ApiKeys.ApiKey>, Failure>
  readonly revoke: (id: string) => Effect.Effect<ApiKeys.ApiKey, Failure>
  readonly rotate: (
    id: string,
    overlap: Duration.Duration | undefined
  ) => Effect.Effect<ApiKeys.Created, Failure>
  readonly setProviderKey: (
    provider: string,
    secret: Redacted.Redacted,
    alias: string
  ) => Effect.Effect<ProviderKeys.ProviderKey, Failure>
  readonly listProviderKeys: Effect.Effect<ReadonlyArray<ProviderKeys.ProviderKey>, Failure>
  /** False: there was none. */
  readonly removeProviderKey: (provider: string, alias: string) => Effect.Effect<boolean, Failure>
  readonly reseal: Effect.Effect<number, Failure>
}

export class Administration extends Context.Tag("effect-majordomo/cli/Administration")<Administration, Service>() {}

// ── the database ────────────────────────────────────────────────────────────────────────────────────────────────────

const ofDatabase = Layer.effect(
  Administration,
  Effect.gen(function*() {
    const keys = yield* ApiKeys.ApiKeys
    const providerKeys = yield* ProviderKeys.ProviderKeys
    return Administration.of({
      create: keys.create,
      list: keys.list,
      revoke: keys.revoke,
      rotate: (id, overlap) => keys.rotate(id, { overlap }),
      setProviderKey: providerKeys.set,
      listProviderKeys: providerKeys.list,
      removeProviderKey: providerKeys.remove,
      reseal: providerKeys.reseal
    })
  })
)

// ── a gateway ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** The client of a gateway's administrators' address. */
export const client = ({ token, url }: Place) =>
  Effect.gen(function*() {
    if (Option.isNone(url)) {
      return yield* new UsageError({
        message:
          "this is asked of a gateway that runs: --url http://127.0.0.1:7681, and its token in MAJORDOMO_ADMIN_TOKEN"
      })
    }
    if (!URL.canParse(url.value) || !/^https?:$/.test(new URL(url.value).protocol)) {
      return yield* new UsageError({
        message: "--url is the administrators' address of a gateway: http://127.0.0.1:7681"
      })
    }
    if (Option.isNone(token)) {
      return yield* new UsageError({
        message: "an administrator's token is missing: set MAJORDOMO_ADMIN_TOKEN, or give --token mdm_at_…"
      })
    }
    return yield* HttpApiClient.make(Admin.Api, {
      baseUrl: url.value,
      transformClient: HttpClient.mapRequest(HttpClientRequest.bearerToken(token.value))
    })
  })

/** What went wrong, in one line. */
export const told = (place: Place) => (error: { readonly _tag: string; readonly message: string }): CommandError => {
  const where = Option.getOrElse(place.url, () => "the gateway")
  switch (error._tag) {
    case "RequestError":
      return new CommandError({ message: `${where} cannot be reached; is it the administrators' address?` })
    case "ResponseError":
    case "ParseError":
      return new CommandError({
        message: `${where} does not answer as a gateway does; is it the administrators' address?`
      })
    default:
      return new CommandError({ message: error.message })
  }
}

const textOf = (duration: Duration.DurationInput | undefined): string | undefined =>
  duration === undefined ? undefined : `${Duration.toMillis(duration)} millis`

const createdOf = ({ key, secret }: { readonly key: ApiKeys.ApiKey; readonly secret: string }): ApiKeys.Created => ({
  key,
  secret: Redacted.make(secret)
})

const ofGateway = (place: Place) =>
  Layer.effect(
    Administration,
    Effect.map(client(place), ({ keep, look }) => {
      const said = told(place)
      return Administration.of({
        create: ({ expires, ...options }) =>
          Effect.mapBoth(keep.createKey({ payload: { ...options, expires: textOf(expires) } }), {
            onFailure: said,
            onSuccess: createdOf
          }),
        list: Effect.mapError(look.keys({}), said),
        revoke: (id) => Effect.mapError(keep.revokeKey({ path: { id } }), said),
        rotate: (id, overlap) =>
          Effect.mapBoth(keep.rotateKey({ path: { id }, payload: { overlap: textOf(overlap) } }), {
            onFailure: said,
            onSuccess: createdOf
          }),
        setProviderKey: (provider, secret, alias) =>
          Effect.mapError(keep.setProviderKey({ path: { provider, alias }, payload: { secret } }), said),
        listProviderKeys: Effect.mapError(look.providerKeys({}), said),
        removeProviderKey: (provider, alias) =>
          Effect.as(keep.removeProviderKey({ path: { provider, alias } }), true).pipe(
            Effect.catchTag("NotFound", () => Effect.succeed(false)),
            Effect.mapError(said)
          ),
        reseal: new UsageError({
          message: "keys are sealed anew where the database and MAJORDOMO_ENCRYPTION_KEY are: leave out --url"
        })
      })
    })
  )

/** Over the one or the other. */
export const administering = <A, E extends Failure, R>(place: Place, use: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    if (Option.isSome(place.url)) return yield* Effect.provide(use, ofGateway(place))
    const { database } = yield* configured(place.config)
    return yield* Effect.provide(use, Layer.provide(ofDatabase, Gateway.layerKeys({ database })))
  }).pipe(
    Effect.mapError((error): CommandError | UsageError =>
      error instanceof UsageError || error instanceof CommandError ? error
        : new CommandError({ message: error.message })
    )
  )
