/** What a request says of itself, as it is counted by and kept: where the operator wants it, not as it was said. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { createHmac } from "node:crypto"
import type { IncomingMessage } from "node:http"
import type { ConfigurationError } from "../../LLMError.ts"
import { toHeaderCase } from "../../Metadata.ts"
import type { Options } from "../GatewayConfig.ts"
import * as headers from "./headers.ts"
import { secretOf } from "./secret.ts"

export interface Labels {
  readonly of: (request: IncomingMessage) => Readonly<Record<string, string>>
  /** A value of a label as it is kept. */
  readonly stored: (label: string, value: string) => string
}

const plain: Labels = { of: headers.labelsOf, stored: (_, value) => value }

/** Who does not know the key cannot try out whose a value may be. */
const hashed = (key: Redacted.Redacted, names: ReadonlySet<string>): Labels => {
  const stored = (label: string, value: string) =>
    names.has(label) ? `h_${createHmac("sha256", Redacted.value(key)).update(value).digest("hex").slice(0, 32)}` : value
  return {
    stored,
    of: (request) =>
      Object.fromEntries(
        Object.entries(headers.labelsOf(request)).map(([label, value]) => [label, stored(label, value)])
      )
  }
}

export const make = ({ log }: Options): Effect.Effect<Labels, ConfigurationError> => {
  const wanted = log?.hashedLabels
  if (wanted === undefined || wanted.labels.length === 0) return Effect.succeed(plain)
  return Effect.map(
    secretOf(wanted.key, "log.hashedLabels.key"),
    (key) => hashed(key, new Set(wanted.labels.map(toHeaderCase)))
  )
}
