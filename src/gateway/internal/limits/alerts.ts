/**
 * Tells a webhook that a part of a budget is spent. The body is signed: `x-majordomo-signature: t=<seconds>,v1=<hex>`, the
 * HMAC-SHA256 of `<seconds>.<body>` under the shared secret.
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { createHmac } from "node:crypto"
import { ConfigurationError } from "../../../LLMError.ts"
import { secretOf } from "../secret.ts"
import * as money from "./money.ts"
import type { Passed } from "./thresholds.ts"

export interface Webhook {
  readonly url: string
  readonly secret: Redacted.Redacted | { readonly env: string }
}

const patience = "10 seconds"
/** About two minutes in all. */
const again = Schedule.intersect(Schedule.exponential("1 second"), Schedule.recurs(6))

const bodyOf = ({ key, limit, rule, scope, threshold, used, window }: Passed): string =>
  JSON.stringify({
    type: "budget.threshold",
    limit: rule.name,
    key,
    by: rule.by ?? "all",
    scope,
    threshold,
    spentUsd: money.toDecimal(used),
    budgetUsd: money.toDecimal(limit),
    period: rule.budget?.per,
    periodStart: window.starts === 0 ? undefined : new Date(window.starts).toISOString(),
    mode: rule.mode ?? "enforce"
  })

export const signatureOf = (secret: Redacted.Redacted, seconds: number, body: string): string =>
  `t=${seconds},v1=${createHmac("sha256", Redacted.value(secret)).update(`${seconds}.${body}`).digest("hex")}`

export const make = (webhook: Webhook): Effect.Effect<(passed: Passed) => Effect.Effect<void>, ConfigurationError> =>
  Effect.gen(function*() {
    const secret = yield* secretOf(webhook.secret, "webhook.secret")
    const { url } = webhook
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
      return yield* new ConfigurationError({
        description: "webhook.url: an address that begins with https:// or http://"
      })
    }
    const client = yield* Effect.provide(HttpClient.HttpClient, FetchHttpClient.layer)
    const { execute } = HttpClient.filterStatusOk(client)
    return (passed) => {
      const body = bodyOf(passed)
      return Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const seconds = Math.floor(now / 1000)
        return Effect.scoped(execute(
          HttpClientRequest.post(url).pipe(
            HttpClientRequest.setHeader("x-majordomo-signature", signatureOf(secret, seconds, body)),
            HttpClientRequest.bodyText(body, "application/json")
          )
        ))
      }).pipe(
        Effect.timeout(patience),
        Effect.retry(again),
        Effect.catchAll(() =>
          Effect.logWarning(
            `the webhook of limits did not take that ${passed.threshold} of ${passed.rule.name} is spent`
          )
        ),
        Effect.asVoid
      )
    }
  })
