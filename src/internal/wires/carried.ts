/**
 * What a provider needs to see again on the next turn, on its way through a client that keeps it without knowing what it
 * is: in the place of a signature where the client's protocol has one, else in a field of our own, `majordomo`.
 */
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import type { JsonObject, ProviderMetadata } from "../../Prompt.ts"
import * as base64 from "../bytes/base64.ts"
import { asJsonObject, asObject, isObject, parse } from "../json/values.ts"

/** How every packed text begins: `{"majordomo"` in base64. Some clients read and write signatures as bytes. */
const mark = "eyJtYWpvcmRvbW8i"

/** What a text was packed of. */
export interface Packed {
  readonly metadata: ProviderMetadata
  /** It belongs to what stands before it. */
  readonly isOfPrevious: boolean
}

/** As a text that nobody takes for a signature of a provider's. */
export const pack = (metadata: ProviderMetadata, options?: { readonly isOfPrevious: boolean }): string =>
  base64.encode(
    new TextEncoder().encode(
      JSON.stringify({ majordomo: metadata, ...(options?.isOfPrevious === true ? { of: "previous" } : {}) })
    )
  )

/** What was packed; undefined for a text that comes from a provider. */
export const unpack = (text: string): Packed | undefined => {
  if (!text.startsWith(mark)) return undefined
  // Clients that decode signatures write them with the other alphabet.
  const bytes = Encoding.decodeBase64(text.replaceAll("-", "+").replaceAll("_", "/"))
  const value = Either.isLeft(bytes) ? undefined : parse(new TextDecoder().decode(bytes.right))
  const metadata = metadataIn(value)
  return metadata === undefined ? undefined : { metadata, isOfPrevious: asObject(value)["of"] === "previous" }
}

/** What the field of ours says. */
export const metadataIn = (value: unknown): ProviderMetadata | undefined => {
  if (!isObject(value) || !isObject(value["majordomo"])) return undefined
  const entries = Object.entries(value["majordomo"])
  return entries.length > 0 && entries.every(([, own]) => isObject(own))
    ? Object.fromEntries(entries.map(([wire, own]) => [wire, asJsonObject(own)]))
    : undefined
}

/** The field of ours. */
export const field = (metadata: ProviderMetadata | undefined): JsonObject =>
  metadata === undefined || Object.keys(metadata).length === 0 ? {} : { majordomo: metadata }

/** What the wire itself keeps, where it is all there is: it goes the way it came. */
export const onlyOwn = (metadata: ProviderMetadata | undefined, wire: string): JsonObject | undefined => {
  const names = Object.keys(metadata ?? {})
  return names.length === 1 && names[0] === wire ? metadata?.[wire] : undefined
}
