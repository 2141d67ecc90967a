/** A proxy of bytes before a server: it can fall silent, as a network does that drops what it is given. */
import { Effect, type Scope } from "effect"
import * as net from "node:net"
import { listening } from "./gateway/running.ts"

export interface Proxy {
  readonly port: number
  /** Connections stay open and carry nothing from now on, those that are made too. */
  readonly silence: Effect.Effect<void>
  /** Connections that are made from now on are carried; those that fell silent stay so. */
  readonly speak: Effect.Effect<void>
  /** All connections end. */
  readonly cut: Effect.Effect<void>
}

export const before = (port: number): Effect.Effect<Proxy, never, Scope.Scope> =>
  Effect.gen(function*() {
    const sockets = new Set<net.Socket>()
    let isSilent = false
    const known = (socket: net.Socket) => {
      sockets.add(socket)
      return socket.on("error", () => {}).on("close", () => sockets.delete(socket))
    }
    const server = net.createServer((client) => {
      known(client)
      if (isSilent) return
      const to = known(net.connect(port, "127.0.0.1"))
      client.pipe(to).on("close", () => client.destroy())
      to.pipe(client).on("close", () => to.destroy())
    })
    const url = yield* listening(server)
    const cut = Effect.sync(() => sockets.forEach((socket) => socket.destroy()))
    yield* Effect.addFinalizer(() => cut)
    return {
      port: Number(new URL(url).port),
      silence: Effect.sync(() => {
        isSilent = true
        for (const socket of sockets) socket.unpipe().pause()
      }),
      speak: Effect.sync(() => {
        isSilent = false
      }),
      cut
    }
  })
