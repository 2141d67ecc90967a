/** A server that speaks S3's protocol, of the test's own: a new folder, a free port. */
import { S3Client } from "@aws-sdk/client-s3"
import { Effect, Redacted } from "effect"
import { mkdtemp, rm } from "node:fs/promises"
import { createServer, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
// @ts-expect-error the package has no types
import S3rver from "s3rver"

interface Server {
  readonly run: () => Promise<{ readonly port: number }>
  readonly close: (done: () => void) => void
}

const makeServer = (options: object): Server => new S3rver(options)

export const secret = "S3RVER"

/** What the server lets in. */
export const credentials = { accessKeyId: "S3RVER", secretAccessKey: Redacted.make(secret) }

export const bucket = "acme-llm"

/** Another program that looks into the bucket. */
export const clientOf = (endpoint: string): S3Client =>
  new S3Client({
    endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId: secret, secretAccessKey: secret }
  })

export const make = Effect.gen(function*() {
  const directory = yield* Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "majordomo-s3-"))),
    (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
  )
  const server = makeServer({
    address: "127.0.0.1",
    port: 0,
    silent: true,
    directory,
    configureBuckets: [{ name: bucket, configs: [] }]
  })
  const stop = Effect.async<void>((resume) => {
    server.close(() => resume(Effect.void))
  })
  const { port } = yield* Effect.acquireRelease(
    Effect.promise(() => server.run()),
    () => stop
  )
  return { endpoint: `http://127.0.0.1:${port}`, stop }
})

/** A server that takes connections and says nothing. */
export const silent = Effect.acquireRelease(
  Effect.async<{ readonly endpoint: string; readonly close: Effect.Effect<void> }>((resume) => {
    const sockets = new Set<Socket>()
    const server = createServer((socket) => void sockets.add(socket.on("error", () => {})))
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      const close = Effect.sync(() => {
        for (const socket of sockets) socket.destroy()
        server.close()
      })
      resume(Effect.succeed({ endpoint: `http://127.0.0.1:${port}`, close }))
    })
  }),
  ({ close }) => close
)
