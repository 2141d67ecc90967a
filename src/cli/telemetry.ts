/** Traces, metrics and logs to a collector, where OpenTelemetry's own variables name one. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { load } from "./database.ts"
import type { CommandError } from "./screen.ts"

const text = (name: string) => Effect.orElseSucceed(Config.option(Config.nonEmptyString(name)), Option.none<string>)

/** `a=1,b=2`, percent-encoded. Source: opentelemetry.io, OTLP exporter configuration, 2026-11. */
const headersOf = (given: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    given.split(",").flatMap((pair) => {
      const at = pair.indexOf("=")
      return at < 1 ? [] : [[pair.slice(0, at).trim(), decodeURIComponent(pair.slice(at + 1).trim())]]
    })
  )

/** Nothing, unless `OTEL_EXPORTER_OTLP_ENDPOINT` is set. */
export const layer: Layer.Layer<never, CommandError, HttpClient.HttpClient> = Layer.unwrapEffect(Effect.gen(
  function*() {
    const endpoint = yield* text("OTEL_EXPORTER_OTLP_ENDPOINT")
    if (Option.isNone(endpoint)) return Layer.empty
    const { layerJson } = yield* load(() => import("@effect/opentelemetry/Otlp"))
    const headers = yield* text("OTEL_EXPORTER_OTLP_HEADERS")
    const client = yield* HttpClient.HttpClient
    return layerJson({
      baseUrl: endpoint.value,
      resource: { serviceName: Option.getOrElse(yield* text("OTEL_SERVICE_NAME"), () => "majordomo-gateway") },
      headers: Option.getOrUndefined(Option.map(headers, headersOf))
    }).pipe(
      // What is sent to the collector is no span of its own.
      Layer.provide(Layer.succeed(HttpClient.HttpClient, HttpClient.withTracerDisabledWhen(client, () => true)))
    )
  }
))
