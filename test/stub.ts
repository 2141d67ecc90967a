/** An HTTP client of the test's own making, for what only a scripted clock can show; everything else uses sockets. */
import { HttpClient, type HttpClientError, type HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { Effect, Layer } from "effect"

export interface Sent {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: unknown
}

export interface Stub {
  readonly layer: Layer.Layer<HttpClient.HttpClient>
  readonly sent: ReadonlyArray<Sent>
}

/** Answers each request with the next response; the last one repeats. */
export const stub = (
  ...responses: ReadonlyArray<
    (
      signal: AbortSignal,
      request: HttpClientRequest.HttpClientRequest
    ) => Response | Effect.Effect<Response, HttpClientError.HttpClientError>
  >
): Stub => {
  const sent: Array<Sent> = []
  const client = HttpClient.make((request, url, signal) =>
    Effect.suspend(() => {
      const body = request.body._tag === "Uint8Array" ? new TextDecoder().decode(request.body.body) : "null"
      const next = responses[Math.min(sent.length, responses.length - 1)]
      sent.push({ url: url.toString(), headers: request.headers, body: JSON.parse(body) })
      if (next === undefined) return Effect.dieMessage("the stub has no response")
      const answer = next(signal, request)
      return Effect.map(
        Effect.isEffect(answer) ? answer : Effect.succeed(answer),
        (response) => HttpClientResponse.fromWeb(request, response)
      )
    })
  )
  return { layer: Layer.succeed(HttpClient.HttpClient, client), sent }
}

export const jsonResponse = (body: unknown, init: ResponseInit = {}): Response =>
  new Response(JSON.stringify(body), { headers: { "content-type": "application/json" }, ...init })

/** A streamed answer; what is pushed is sent, until `end`. */
export const controlled = (signal: AbortSignal) => {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined
  const body = new ReadableStream<Uint8Array>({ start: (given) => void (controller = given) })
  signal.addEventListener("abort", () => controller?.error(new DOMException("aborted", "AbortError")))
  const encoder = new TextEncoder()
  return {
    response: new Response(body, { headers: { "content-type": "text/event-stream" } }),
    push: (text: string) => controller?.enqueue(encoder.encode(text)),
    end: () => controller?.close()
  }
}

/** A Chat Completions answer. */
export const chatAnswer = (content: string, more: Readonly<Record<string, unknown>> = {}) => ({
  id: "chatcmpl-1",
  model: "gpt-4.1-mini",
  choices: [{ index: 0, message: { role: "assistant", content }, finish_reason: "stop" }],
  usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
  ...more
})

export const chatChunk = (delta: unknown, finish: string | null = null): string =>
  `data: ${
    JSON.stringify({ id: "chatcmpl-1", model: "gpt-4.1-mini", choices: [{ index: 0, delta, finish_reason: finish }] })
  }\n\n`
