/** Scripted providers behind one HTTP client, on whatever clock the program runs. */
import { HttpClient, HttpClientError, type HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { Effect, Stream } from "effect"

/** What a provider does with one request. Times are ms: `wait` until headers, `gaps` before each piece. */
export type Reply =
  | { readonly tag: "answer"; readonly wait: number; readonly gaps: readonly [number, number, number] }
  | { readonly tag: "break"; readonly wait: number; readonly gaps: readonly [number, number, number] }
  | { readonly tag: "stuck"; readonly wait: number; readonly gaps: readonly [number, number, number] }
  | { readonly tag: "refusal"; readonly wait: number; readonly gap: number }
  | { readonly tag: "inBand"; readonly wait: number; readonly gap: number }
  | { readonly tag: "cut"; readonly wait: number; readonly gap: number }
  | { readonly tag: "silent"; readonly wait: number }
  | { readonly tag: "reset"; readonly wait: number }
  | { readonly tag: "stall" }
  | { readonly tag: "status"; readonly wait: number; readonly status: 400 | 401 | 404 | 429 | 500 | 503 }

export interface Upstream {
  readonly client: HttpClient.HttpClient
  /** Starts a new run with these replies for each host; the last one repeats. */
  readonly reset: (scripts: Readonly<Record<string, ReadonlyArray<Reply>>>) => void
  /** Every request of the run. */
  readonly sent: () => ReadonlyArray<{ readonly host: string; readonly at: number }>
  /** Requests whose answer is neither complete nor given up. */
  readonly open: () => number
}

export const make = (): Upstream => {
  let scripts: Readonly<Record<string, ReadonlyArray<Reply>>> = {}
  let sent: Array<{ readonly host: string; readonly at: number }> = []
  let open = 0
  const client = HttpClient.make((request, url, signal) =>
    Effect.clockWith((clock) =>
      Effect.suspend(() => {
        const host = url.hostname.split(".")[0] ?? ""
        const script = scripts[host] ?? []
        const reply = script[Math.min(sent.filter((other) => other.host === host).length, script.length - 1)]
        if (reply === undefined) return Effect.dieMessage(`no script for ${host}`)
        sent.push({ host, at: clock.unsafeCurrentTimeMillis() })
        open++
        const ended = new AbortController()
        const end = () => {
          if (ended.signal.aborted) return
          ended.abort()
          open--
        }
        signal.addEventListener("abort", end)
        const streamed = /"stream":true/.test(bodyOf(request))
        return Effect.onError(respond({ request, host, signal, end }, reply, streamed), () => Effect.sync(end))
      })
    )
  )
  return {
    client,
    reset: (next) => {
      scripts = next
      sent = []
      open = 0
    },
    sent: () => sent,
    open: () => open
  }
}

const bodyOf = ({ body }: HttpClientRequest.HttpClientRequest): string =>
  body._tag === "Uint8Array" ? new TextDecoder().decode(body.body) : ""

interface Exchange {
  readonly request: HttpClientRequest.HttpClientRequest
  readonly host: string
  readonly signal: AbortSignal
  readonly end: () => void
}

const statusError = { type: "error", message: "no" }
const inBandError = { error: { type: "server_error", code: "server_error", message: "the server had an error" } }

/** The texts of an answer. */
export const textsOf = (host: string): readonly [string, string] => [`${host}-one,`, `${host}-two.`]

const respond = (exchange: Exchange, reply: Reply, streamed: boolean) => {
  const { host } = exchange
  const [one, two] = textsOf(host)
  const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 }
  const chunk = (delta: unknown, finish: string | null = null, more = {}) =>
    `data: ${
      JSON.stringify({ id: "1", model: host, choices: [{ index: 0, delta, finish_reason: finish }], ...more })
    }\n\n`
  const whole = (message: unknown, finish: string) =>
    JSON.stringify({ id: "1", model: host, choices: [{ index: 0, message, finish_reason: finish }], usage })
  const role = chunk({ role: "assistant", content: "" })
  const after = <A, E>(millis: number, effect: Effect.Effect<A, E>) =>
    Effect.zipRight(Effect.raceFirst(Effect.sleep(millis), aborted(exchange)), effect)
  const last = `${chunk({}, "stop", { usage })}data: [DONE]\n\n`
  switch (reply.tag) {
    case "status":
      return after(
        reply.wait,
        body(exchange, reply.status, [[0, JSON.stringify({ error: statusError })]], "end")
      )
    case "reset":
      return after(reply.wait, Effect.fail(broken(exchange.request)))
    case "stall":
      return aborted(exchange)
    case "silent":
      return after(reply.wait, body(exchange, 200, [[0, streamed ? role : "{"]], "never"))
    case "refusal":
      return after(
        reply.wait,
        streamed
          ? body(exchange, 200, [[0, role], [reply.gap, chunk({ refusal: "No." }) + last]], "end")
          : body(exchange, 200, [[reply.gap, whole({ role: "assistant", refusal: "No." }, "stop")]], "end")
      )
    case "inBand":
      return after(
        reply.wait,
        body(
          exchange,
          200,
          streamed
            ? [[0, role], [reply.gap, `data: ${JSON.stringify(inBandError)}\n\n`]]
            : [[reply.gap, JSON.stringify(inBandError)]],
          "end"
        )
      )
    case "cut":
      return after(reply.wait, body(exchange, 200, [[reply.gap, streamed ? role : "{"]], "fail"))
    case "answer":
    case "break":
    case "stuck": {
      const [first, second, third] = reply.gaps
      const end = reply.tag === "answer" ? "end" : reply.tag === "break" ? "fail" : "never"
      const text = whole({ role: "assistant", content: one + two }, "stop")
      const pieces: ReadonlyArray<readonly [number, string]> = streamed
        ? reply.tag === "answer"
          ? [[0, role], [first, chunk({ content: one })], [second, chunk({ content: two })], [third, last]]
          : [[0, role], [first, chunk({ content: one })], [second, ""]]
        : reply.tag === "answer"
        ? [[first + second + third, text]]
        : [[first + second, text.slice(0, 20)]]
      return after(reply.wait, body(exchange, 200, pieces, end))
    }
  }
}

/** What a client does with a request that is aborted before its headers come. */
const aborted = ({ request, signal }: Exchange) =>
  Effect.async<never, HttpClientError.RequestError>((resume) => {
    const abort = () => resume(Effect.fail(broken(request)))
    signal.addEventListener("abort", abort)
    return Effect.sync(() => signal.removeEventListener("abort", abort))
  })

const broken = (request: HttpClientRequest.HttpClientRequest) =>
  new HttpClientError.RequestError({ request, reason: "Transport", description: "reset" })

const body = (
  { end: ended, request, signal }: Exchange,
  status: number,
  pieces: ReadonlyArray<readonly [wait: number, text: string]>,
  end: "end" | "fail" | "never"
) =>
  Effect.sync(() => {
    const headers = {
      "content-type": pieces[0]?.[1].startsWith("data") === true ? "text/event-stream" : "application/json"
    }
    const response = HttpClientResponse.fromWeb(request, new Response("", { status, headers }))
    const failure = new HttpClientError.ResponseError({ request, response, reason: "Decode", description: "reset" })
    const aborted = Effect.async<never, HttpClientError.ResponseError>((resume) => {
      const abort = () => resume(Effect.fail(failure))
      if (signal.aborted) abort()
      signal.addEventListener("abort", abort)
      return Effect.sync(() => signal.removeEventListener("abort", abort))
    })
    const sent = Stream.fromIterable(pieces).pipe(
      Stream.mapEffect(([wait, text]) => Effect.as(Effect.raceFirst(Effect.sleep(wait), aborted), text)),
      Stream.filter((text) => text !== ""),
      Stream.encodeText,
      Stream.concat(
        end === "end" ? Stream.execute(Effect.sync(ended))
          : Stream.fromEffect(end === "fail" ? Effect.fail(failure) : aborted)
      ),
      Stream.ensuring(Effect.sync(ended))
    )
    Object.defineProperty(response, "stream", { value: sent })
    return response
  })
