/** What the gate needs, what becomes known of a request there, and as what it goes on. */
import type * as Effect from "effect/Effect"
import type { Readable } from "node:stream"
import type { Service } from "../../../LLM.ts"
import type { Sign } from "../../../providers/internal/signing.ts"
import type { ApiKey, Service as ApiKeys } from "../../ApiKeys.ts"
import type { Service as ProviderKeys } from "../../ProviderKeys.ts"
import type { Lease } from "../limits/charge.ts"
import type * as listing from "../listing.ts"
import type { Names } from "../models/names.ts"
import type { ServedWire } from "../served.ts"
import type * as targets from "../target.ts"
import type { Upstream } from "../upstreams.ts"

export interface Settings {
  readonly upstreams: ReadonlyMap<string, Upstream>
  readonly apiKeys: Pick<ApiKeys, "verify">
  readonly providerKeys: Pick<ProviderKeys, "get">
  readonly isKeyRequired: boolean
  readonly includesUsage: boolean
  readonly forwardsTraces: boolean
  readonly maxBodyBytes: number
  /** Of a request's body, ms. */
  readonly bodyIdle: number
  /** Signs requests to Bedrock with the gateway's own AWS keys; none where it has none. */
  readonly sign: ((upstream: Upstream) => Effect.Effect<SignNow | undefined>) | undefined
  /** Names that an LLM answers to, in whatever protocol its client speaks. */
  readonly names: Names
}

export type SignNow = (
  request: Parameters<Sign>[0],
  at: number
) => Effect.Effect<Readonly<Record<string, string>>, unknown>

/** What is known of a request so far: its row has it, however far the request came. */
export interface Known {
  dialect: targets.Dialect
  target: targets.Target | undefined
  key: ApiKey | undefined
  model: string | undefined
  streams: boolean
  /** The provider's key that is used. */
  credentialHash: string | undefined
  credentialAlias: string | undefined
  /** Texts that must not be told. */
  secrets: ReadonlyArray<string>
  bytesIn: number | undefined
  body: Buffer | undefined
  /** The body has what hooks keep from the model: it is not stored. */
  isWithheld: boolean
  /** What it holds of limits. */
  lease: Lease | undefined
  /** Who answers instead of what was asked for, and the spent budget that says so. */
  degraded: { readonly name: string; readonly rule: string; readonly from: string | undefined } | undefined
}

/** A request that may go on. */
export type Admitted = Passed | Unified | Listed

/** One that is answered by an LLM. */
export interface Unified {
  readonly _tag: "Unified"
  readonly wire: ServedWire
  readonly body: Buffer
  readonly llm: Service
  /** One provider answers, or none. */
  readonly isSingle: boolean
}

/** One for what can be asked for. */
export interface Listed {
  readonly _tag: "Listed"
  readonly wanted: listing.Wanted
  readonly offered: ReadonlyArray<listing.Offered>
}

/** One that is passed on, as it goes on. */
export interface Passed {
  readonly _tag: "Passed"
  readonly target: targets.Target
  readonly path: string
  readonly headers: Array<string>
  readonly body: Buffer | Readable | undefined
  /** The gateway has asked for the usage; the client has not. */
  readonly withoutUsage: boolean
}
