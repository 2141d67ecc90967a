/**
 * Connections to providers. Redirects are not followed. A provider whose address the operator has not named is reached at
 * public addresses only, whatever its name resolves to.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { lookup, type LookupAddress } from "node:dns"
import { BlockList, isIPv4, type LookupFunction } from "node:net"
import { type Dispatcher, Pool } from "undici"
import type { Upstream } from "./upstreams.ts"

export interface Limits {
  /** Ms. */
  readonly connect: number
  readonly answer: number
  readonly answerIdle: number
}

const internal = new BlockList()
for (
  const [network, bits] of [
    ["0.0.0.0", 8],
    ["10.0.0.0", 8],
    ["100.64.0.0", 10],
    ["127.0.0.0", 8],
    ["169.254.0.0", 16],
    ["172.16.0.0", 12],
    ["192.168.0.0", 16],
    ["224.0.0.0", 3]
  ] as const
) internal.addSubnet(network, bits, "ipv4")
internal.addAddress("::", "ipv6")
internal.addAddress("::1", "ipv6")
internal.addSubnet("fc00::", 7, "ipv6")
internal.addSubnet("fe80::", 10, "ipv6")
internal.addSubnet("64:ff9b::", 96, "ipv6")

/** Of the machine itself, or of a network behind it. */
export const isInternal = (address: string): boolean =>
  // One that is an IPv4 address in disguise is looked at as such by `BlockList` itself.
  internal.check(address, isIPv4(address) ? "ipv4" : "ipv6")

const publicOnly: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, found: ReadonlyArray<LookupAddress>) => {
    const addresses = error === null ? found.filter(({ address }) => !isInternal(address)) : []
    const [first] = addresses
    if (error !== null) return callback(error, "", 0)
    if (first === undefined) {
      const refused: NodeJS.ErrnoException = new Error(`${hostname} is at an internal address`)
      refused.code = "EADDRNOTAVAIL"
      return callback(refused, "", 0)
    }
    if (options.all === true) callback(null, [...addresses])
    else callback(null, first.address, first.family)
  })
}

export type DispatcherOf = (upstream: Upstream) => Dispatcher

/** One pool of connections for each address. */
export const make = (limits: Limits): Effect.Effect<DispatcherOf, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => new Map<string, Pool>()),
      (pools) => Effect.promise(() => Promise.all([...pools.values()].map((pool) => pool.destroy())))
    ),
    (pools) => ({ connections, isConfigured, origin }) => {
      const known = pools.get(origin)
      if (known !== undefined) return known
      const pool = new Pool(origin, {
        connections,
        // One request at a time: an answer never waits behind another one's.
        pipelining: 1,
        headersTimeout: limits.answer,
        bodyTimeout: limits.answerIdle,
        connect: { timeout: limits.connect, ...(isConfigured ? {} : { lookup: publicOnly }) }
      })
      pools.set(origin, pool)
      return pool
    }
  )
