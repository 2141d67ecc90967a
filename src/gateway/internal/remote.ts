/** Where a request came from: the peer, or what a proxy says that the operator trusts. */
import type { IncomingMessage } from "node:http"
import { BlockList, isIP, isIPv6 } from "node:net"

const familyOf = (address: string): "ipv4" | "ipv6" => isIPv6(address) ? "ipv6" : "ipv4"

/** An IPv4 address that came through a socket for both. */
const plain = (address: string): string => address.startsWith("::ffff:") ? address.slice("::ffff:".length) : address

/** Undefined: a network that cannot be read. */
export const networksOf = (networks: ReadonlyArray<string>): BlockList | undefined => {
  const list = new BlockList()
  for (const network of networks) {
    const [address = "", bits] = network.split("/")
    const size = bits === undefined ? undefined : Number(bits)
    if (isIP(address) === 0 || (size !== undefined && !(size >= 0 && size <= (isIPv6(address) ? 128 : 32)))) {
      return undefined
    }
    if (size === undefined) list.addAddress(address, familyOf(address))
    else list.addSubnet(address, size, familyOf(address))
  }
  return list
}

export const remoteOf = (trusted: BlockList) => (request: IncomingMessage): string | undefined => {
  const peer = request.socket.remoteAddress
  if (peer === undefined) return undefined
  let address = plain(peer)
  const forwarded = request.headers["x-forwarded-for"]
  if (typeof forwarded !== "string") return address
  // From the nearest on: what stands further left, anybody may have written.
  const hops = forwarded.split(",")
  for (let i = hops.length - 1; i >= 0; i--) {
    if (!trusted.check(address, familyOf(address))) break
    const next = plain((hops[i] ?? "").trim())
    if (isIP(next) === 0) break
    address = next
  }
  return address
}
