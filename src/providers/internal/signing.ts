/** Requests signed with AWS keys (SigV4) instead of carrying a token. The signer is an optional package. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { ConfigurationError } from "../../LLMError.ts"

export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: Redacted.Redacted
  readonly sessionToken?: Redacted.Redacted | undefined
}

/** What is signed: a request about to be sent. */
export interface Signable {
  readonly method: string
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array | undefined
}

/** The headers that authorise a request at a time, ms. */
export type Sign = (
  request: Signable,
  credentials: Credentials,
  at: number
) => Effect.Effect<Readonly<Record<string, string>>, unknown>

const packages = ["@smithy/signature-v4", "@aws-crypto/sha256-js"]

const missing = (cause: unknown): Promise<never> => Promise.reject(cause)

/** Loads the signer, so that only programs that sign need it. */
export const load = (
  provider: string,
  scope: { readonly service: string; readonly region: string }
): Effect.Effect<Sign, ConfigurationError> =>
  Effect.map(
    Effect.tryPromise({
      // A bundler leaves out what is not installed only where its absence is caught.
      try: () =>
        Promise.all([
          import("@smithy/signature-v4").catch(missing),
          import("@aws-crypto/sha256-js").catch(missing)
        ]),
      catch: () =>
        new ConfigurationError({ provider, description: `signing needs ${packages.join(" and ")}: install them` })
    }),
    ([{ SignatureV4 }, { Sha256 }]): Sign => ({ body, headers, method, url }, keys, at) =>
      // The packages may throw anything. @effect-diagnostics-next-line unknownInEffectCatch:off
      Effect.tryPromise({
        try: async () => {
          const credentials = {
            accessKeyId: keys.accessKeyId,
            secretAccessKey: Redacted.value(keys.secretAccessKey),
            ...(keys.sessionToken === undefined ? {} : { sessionToken: Redacted.value(keys.sessionToken) })
          }
          const signer = new SignatureV4({ ...scope, sha256: Sha256, applyChecksum: false, credentials })
          const signed = await signer.sign({
            method,
            protocol: url.protocol,
            hostname: url.hostname,
            path: url.pathname,
            query: queryOf(url),
            headers: { ...headers, host: url.host },
            body
          }, { signingDate: new Date(at) })
          return pick(signed.headers, ["authorization", "x-amz-date", "x-amz-security-token"])
        },
        catch: (cause) => cause
      })
  )

const pick = (
  headers: Readonly<Record<string, string>>,
  names: ReadonlyArray<string>
): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => names.includes(name)))

const queryOf = (url: URL): Record<string, string | Array<string>> =>
  Object.fromEntries([...new Set(url.searchParams.keys())].map((name) => [name, url.searchParams.getAll(name)]))

/** Headers that are signed. Others, which proxies may change, are not. */
const signed = ["content-type"]

/** A client that signs each request just before it is sent: every try has its own time. */
export const client = (
  self: HttpClient.HttpClient,
  sign: Sign,
  credentials: Effect.Effect<Credentials, unknown>
): HttpClient.HttpClient =>
  HttpClient.mapRequestEffect(self, (request) =>
    Effect.gen(function*() {
      const url = yield* HttpClientRequest.toUrl(request)
      const { body } = request
      const headers = yield* sign(
        {
          method: request.method,
          url,
          headers: pick(request.headers, signed),
          body: body._tag === "Uint8Array" ? body.body : undefined
        },
        yield* credentials,
        yield* Clock.currentTimeMillis
      )
      return HttpClientRequest.setHeaders(request, headers)
    }).pipe(
      Effect.mapError((cause) =>
        new HttpClientError.RequestError({
          request,
          reason: "Transport",
          cause: new Error("the request could not be signed", { cause })
        })
      )
    ))
