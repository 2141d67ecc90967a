/**
 * Bodies in a bucket of S3, or of anything that speaks its protocol: `{prefix}/{requestId}/request.json` and
 * `response.json`. How long they are kept is a rule of the bucket's own (a lifecycle); of one that keeps versions, what is
 * removed stays as an old version until such a rule takes it.
 *
 * @since 0.1.0
 */
import { DeleteObjectCommand, GetObjectCommand, NoSuchKey, PutObjectCommand, S3Client } from "@aws-sdk/client-s3"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { formsOf, scrub } from "../internal/http/secrets.ts"
import { BodyStore, BodyStoreError, keysOf, type Service } from "./BodyStore.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Credentials {
  /** The public half. */
  readonly accessKeyId: string
  /** The secret half. */
  readonly secretAccessKey: Redacted.Redacted
  /** Of temporary credentials. */
  readonly sessionToken?: Redacted.Redacted | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** It must be there already. */
  readonly bucket: string
  /** In front of every key: `"llm/bodies"`. Default: none. */
  readonly prefix?: string | undefined
  /** Default: as the AWS SDK finds it (`AWS_REGION`, profile); with `endpoint`, `"us-east-1"`. */
  readonly region?: string | undefined
  /** Of another server than Amazon's: `"http://localhost:9000"`. */
  readonly endpoint?: string | undefined
  /** The bucket in the path instead of the host's name, as MinIO wants it. Default: where there is an `endpoint`. */
  readonly forcePathStyle?: boolean | undefined
  /** Default: as the AWS SDK finds them (environment, profile, role). */
  readonly credentials?: Credentials | undefined
  /** For one object, its further tries included. Default 10 seconds. */
  readonly timeout?: Duration.DurationInput | undefined
  /** Tries for one object. Default 3. */
  readonly tries?: number | undefined
}

// The writer stores 32 calls at once, each with two bodies.
const sockets = { maxSockets: 64, keepAlive: true }

const open = (options: Options): Effect.Effect<S3Client, never, Scope.Scope> => {
  const { credentials, endpoint } = options
  const region = options.region ?? (endpoint === undefined ? undefined : "us-east-1")
  return Effect.acquireRelease(
    Effect.sync(() =>
      new S3Client({
        maxAttempts: options.tries ?? 3,
        requestHandler: { connectionTimeout: 3000, httpAgent: sockets, httpsAgent: sockets },
        forcePathStyle: options.forcePathStyle ?? endpoint !== undefined,
        ...(region === undefined ? {} : { region }),
        // Servers other than Amazon's often do not know its newer checksums.
        ...(endpoint === undefined ? {} : {
          endpoint,
          requestChecksumCalculation: "WHEN_REQUIRED" as const,
          responseChecksumValidation: "WHEN_REQUIRED" as const
        }),
        ...(credentials === undefined ? {} : {
          credentials: {
            accessKeyId: credentials.accessKeyId,
            secretAccessKey: Redacted.value(credentials.secretAccessKey),
            ...(credentials.sessionToken === undefined
              ? {}
              : { sessionToken: Redacted.value(credentials.sessionToken) })
          }
        })
      })
    ),
    (client) => Effect.sync(() => client.destroy())
  )
}

const make = (options: Options): Effect.Effect<Service, never, Scope.Scope> =>
  Effect.map(open(options), (client) => {
    const { bucket, credentials, prefix, timeout = "10 seconds" } = options
    const secrets = formsOf(
      credentials === undefined
        ? []
        : [credentials.secretAccessKey, ...credentials.sessionToken === undefined ? [] : [credentials.sessionToken]]
          .map(Redacted.value)
    )
    const failed = (description: string) => new BodyStoreError({ store: "s3", description })

    const asked = <A>(send: (signal: AbortSignal) => Promise<A>): Effect.Effect<A, Said | BodyStoreError> =>
      Effect.tryPromise({ try: send, catch: (error) => new Said(error) }).pipe(
        Effect.timeoutFail({
          duration: timeout,
          onTimeout: () => failed(`no answer after ${Duration.format(Duration.decode(timeout))}`)
        })
      )

    const toError = (problem: Said | BodyStoreError): BodyStoreError =>
      problem instanceof Said
        ? failed(`the bucket ${bucket}: ${scrub(problem.description, secrets).slice(0, maxMessage)}`)
        : problem

    const save = (key: string, text: string) =>
      asked((abortSignal) =>
        client.send(
          new PutObjectCommand({ Bucket: bucket, Key: key, Body: text, ContentType: "application/json" }),
          { abortSignal }
        )
      )

    return {
      put: (bodies) => {
        const keys = keysOf(bodies, prefix)
        const saved = Effect.zip(
          save(keys.requestKey, bodies.request),
          bodies.response === undefined || keys.responseKey === undefined
            ? Effect.void
            : save(keys.responseKey, bodies.response),
          { concurrent: true }
        )
        return Effect.mapBoth(saved, { onFailure: toError, onSuccess: () => keys })
      },
      get: (key) =>
        asked(async (abortSignal) => {
          const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }), { abortSignal })
          return Body?.transformToString()
        }).pipe(
          Effect.map(Option.fromNullable),
          Effect.catchIf(
            (problem) => problem instanceof Said && problem.error instanceof NoSuchKey,
            () => Effect.succeedNone
          ),
          Effect.mapError(toError)
        ),
      // One that is not there is deleted as well as any.
      remove: (key) =>
        Effect.mapBoth(
          asked((abortSignal) => client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }), { abortSignal })),
          { onFailure: toError, onSuccess: () => undefined }
        ),
      keysOf: (requestId) => keysOf({ requestId, request: "", response: "" }, prefix)
    }
  })

const maxMessage = 300

/** What the SDK threw. */
class Said {
  readonly error: unknown
  constructor(error: unknown) {
    this.error = error
  }
  get description(): string {
    const { error } = this
    if (!(error instanceof Error)) return "failed"
    return error.message === "" || error.message === error.name ? error.name : `${error.name}: ${error.message}`
  }
}

/**
 * The store, through `@aws-sdk/client-s3`, which a program that uses it installs. Nothing is asked of the bucket before
 * the first call.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import * as S3BodyStore from "effect-majordomo/logging/S3BodyStore"
 *
 * const bodies = S3BodyStore.layer({ bucket: "acme-llm", prefix: "bodies", region: "eu-central-1" })
 * const minio = S3BodyStore.layer({ bucket: "acme-llm", endpoint: "http://localhost:9000" })
 * ```
 */
export const layer = (options: Options): Layer.Layer<BodyStore> => Layer.scoped(BodyStore, make(options))
