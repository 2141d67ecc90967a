/** The administrators' address: health and metrics, and the API with its page. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import type * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type { IncomingMessage, ServerResponse } from "node:http"
import * as AdminTokens from "../../AdminTokens.ts"
import type { Labels } from "../labels.ts"
import type { Limiter } from "../limits/limiter.ts"
import * as prometheus from "../prometheus.ts"
import type { Handle } from "../server.ts"
import type { Live } from "../settings/live.ts"
import * as handlers from "./handlers.ts"

const json = (response: ServerResponse, status: number, value: object) => {
  response.writeHead(status, { "content-type": "application/json" })
  response.end(JSON.stringify(value))
}

const metrics = (tokens: AdminTokens.Service): Handle => (request, response) =>
  Effect.gen(function*() {
    const [scheme, given] = (request.headers.authorization ?? "").split(" ")
    const token = scheme?.toLowerCase() === "bearer" && given !== undefined ? yield* tokens.verify(given)
      : Option.none()
    if (Option.isNone(token)) {
      return json(response, 401, { error: "an administrator's token is missing: Authorization: Bearer mdm_at_…" })
    }
    const text = yield* prometheus.text
    response.writeHead(200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" })
    response.end(text)
  }).pipe(
    Effect.catchAll(() =>
      Effect.sync(() => json(response, 503, { error: "the gateway cannot reach its database; try again" }))
    )
  )

/** Node's handler of the API with its description, as one of ours. */
const api = (
  limiter: Limiter,
  live: Live,
  stored: Labels["stored"],
  description: Layer.Layer<never, never, HttpApi.Api>
) =>
  Effect.gen(function*() {
    // A router of its own, whatever else the program serves.
    const context = yield* Layer.build(Layer.mergeAll(
      Layer.provideMerge(description, handlers.layer(limiter, live, stored)),
      HttpApiBuilder.Router.Live,
      HttpApiBuilder.Middleware.layer,
      NodeHttpServer.layerContext
    ))
    const app = yield* Effect.provide(HttpApiBuilder.httpApp, context)
    const handle = yield* Effect.provide(NodeHttpServer.makeHandler(app), context)
    return (request: IncomingMessage, response: ServerResponse) =>
      Effect.async<void>((resume) => {
        response.once("close", () => resume(Effect.void))
        handle(request, response)
      })
  })

export const make = (limiter: Limiter, live: Live, stored: Labels["stored"]) =>
  Effect.gen(function*() {
    const answerMetrics = metrics(yield* AdminTokens.AdminTokens)
    const answer = yield* api(limiter, live, stored, HttpApiBuilder.middlewareOpenApi({ path: "/openapi.json" }))
    const scope = yield* Effect.scope
    // Two megabytes of script, for who looks at them.
    const page = yield* Effect.cached(
      Effect.flatMap(
        Effect.promise(() => import("@effect/platform/HttpApiSwagger")),
        ({ layer }) => api(limiter, live, stored, layer({ path: "/docs" }))
      ).pipe(
        Scope.extend(scope),
        Effect.provide(yield* Effect.context<Layer.Layer.Context<ReturnType<typeof handlers.layer>>>())
      )
    )
    const handle: Handle = (request, response) => {
      switch (request.url) {
        case "/health":
          return Effect.sync(() => json(response, 200, { status: "ok" }))
        case "/metrics":
          return answerMetrics(request, response)
        case "/docs":
          return Effect.flatMap(page, (answer) => answer(request, response))
        default:
          return answer(request, response)
      }
    }
    return handle
  })
