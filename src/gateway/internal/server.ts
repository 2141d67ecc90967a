/**
 * A server of Node's own inside a scope: one fiber a request. When the scope ends it stops listening, lets what runs come
 * to its end, and then cuts what is left.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import { readFileSync } from "node:fs"
import * as http from "node:http"
import * as https from "node:https"
import type { AddressInfo } from "node:net"
import { ConfigurationError } from "../../LLMError.ts"
import * as metrics from "./metrics.ts"

export interface Options {
  readonly host: string
  readonly port: number
  readonly tls?: { readonly cert: string; readonly key: string } | undefined
  /** Until a request's headers are whole, ms. */
  readonly headersTimeout: number
  readonly drain: Duration.DurationInput
}

export type Handle = (request: http.IncomingMessage, response: http.ServerResponse) => Effect.Effect<void>

export interface Server {
  /** `http://127.0.0.1:7680`. */
  readonly url: string
  readonly isDraining: () => boolean
}

/** Longer than the idle limit of any load balancer before it, so that it is never ours that ends first. */
const keepAlive = 75_000
const maxHeaderSize = 64 * 1024

export const listen = (
  options: Options,
  handle: (server: Pick<Server, "isDraining">) => Handle
): Effect.Effect<Server, ConfigurationError, Scope.Scope> =>
  Effect.gen(function*() {
    const fibers = yield* FiberSet.make<void>()
    const run = yield* FiberSet.runtime(fibers)<never>()
    let draining = false
    const isDraining = () => draining
    const handled = handle({ isDraining })
    let open = 0
    let onIdle = () => {}
    /** When no answer is on its way any more. */
    const answered = Effect.async<void>((resume) => {
      if (open === 0) return resume(Effect.void)
      onIdle = () => resume(Effect.void)
    })
    const settings: http.ServerOptions = {
      keepAliveTimeout: keepAlive,
      headersTimeout: options.headersTimeout,
      // The bodies have a limit of their own: no upload is too long, but none may stand still.
      requestTimeout: 0,
      connectionsCheckingInterval: 5000,
      maxHeaderSize
    }
    const onClose = () => {
      metrics.open.unsafeUpdate(--open, [])
      if (open === 0) onIdle()
    }
    const onRequest = (request: http.IncomingMessage, response: http.ServerResponse) => {
      metrics.open.unsafeUpdate(++open, [])
      response.once("close", onClose)
      if (draining) response.setHeader("connection", "close")
      run(handled(request, response))
    }
    const server = yield* Effect.try({
      try: () =>
        options.tls === undefined
          ? http.createServer(settings, onRequest)
          : https.createServer({
            ...settings,
            cert: readFileSync(options.tls.cert),
            key: readFileSync(options.tls.key)
          }, onRequest),
      catch: (cause) => new ConfigurationError({ description: `tls: ${messageOf(cause)}` })
    })
    yield* Effect.addFinalizer(() => {
      draining = true
      return closed(server, fibers, answered, options.drain)
    })
    const address = yield* bound(server, options)
    const scheme = options.tls === undefined ? "http" : "https"
    const host = address.family === "IPv6" ? `[${address.address}]` : address.address
    return { url: `${scheme}://${host}:${address.port}`, isDraining }
  })

const bound = (
  server: http.Server | https.Server,
  { host, port }: Options
): Effect.Effect<AddressInfo, ConfigurationError> =>
  Effect.async((resume) => {
    const onError = (error: Error) =>
      resume(Effect.fail(
        new ConfigurationError({
          description: "code" in error && error.code === "EADDRINUSE"
            ? `port ${port} on ${host} is taken: another gateway runs there, or set MAJORDOMO_PORT`
            : `cannot listen on ${host}:${port}: ${error.message}`
        })
      ))
    server.once("error", onError)
    server.listen(port, host, () => {
      server.off("error", onError)
      const address = server.address()
      if (address !== null && typeof address === "object") resume(Effect.succeed(address))
    })
  })

const closed = (
  server: http.Server | https.Server,
  fibers: FiberSet.FiberSet<void>,
  answered: Effect.Effect<void>,
  limit: Duration.DurationInput
): Effect.Effect<void> =>
  Effect.gen(function*() {
    server.close()
    const idle = setInterval(() => server.closeIdleConnections(), 50)
    // A finalizer is not interruptible, and a limit is an interruption.
    const ended = Effect.zipRight(FiberSet.awaitEmpty(fibers), answered)
    const drained = yield* Effect.timeoutOption(Effect.interruptible(ended), limit)
    clearInterval(idle)
    if (drained._tag === "None") {
      yield* Effect.logWarning("the gateway ends with requests that are still running; they are cut")
    }
    // Those that run are interrupted, so that each leaves its row.
    yield* FiberSet.clear(fibers)
    server.closeAllConnections()
  })

const messageOf = (cause: unknown): string => cause instanceof Error ? cause.message : String(cause)
