/** The body of a client's request, read whole where it must be looked into. */
import * as Effect from "effect/Effect"
import type { IncomingMessage } from "node:http"
import type { Refusal } from "./refusal.ts"

const tooLarge = (limit: number): Refusal => ({
  status: 413,
  code: "request_too_large",
  message: `the request's body is longer than the ${limit} bytes that this gateway takes`,
  // What is still on its way is not waited for.
  headers: { connection: "close" }
})

const broken: Refusal = {
  status: 400,
  code: "invalid_request",
  message: "the request's body ended before it was whole"
}

const tooSlow = (seconds: number): Refusal => ({
  status: 408,
  code: "invalid_request",
  message: `nothing of the request's body came for ${seconds} seconds`,
  headers: { connection: "close" }
})

export const read = (
  request: IncomingMessage,
  limits: { readonly maxBytes: number; readonly idle: number }
): Effect.Effect<Buffer, Refusal> =>
  Effect.async((resume) => {
    if (Number(request.headers["content-length"] ?? 0) > limits.maxBytes) {
      return resume(Effect.fail(tooLarge(limits.maxBytes)))
    }
    const chunks: Array<Buffer> = []
    let length = 0
    const timer = setTimeout(() => done(Effect.fail(tooSlow(limits.idle / 1000))), limits.idle)
    const done = (result: Effect.Effect<Buffer, Refusal>) => {
      clearTimeout(timer)
      request.off("data", onData).off("end", onEnd).off("error", onError).off("close", onError)
      resume(result)
    }
    const onData = (chunk: Buffer) => {
      length += chunk.length
      if (length > limits.maxBytes) {
        request.pause()
        return done(Effect.fail(tooLarge(limits.maxBytes)))
      }
      timer.refresh()
      chunks.push(chunk)
    }
    const onEnd = () => {
      const [first] = chunks
      done(Effect.succeed(chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks, length)))
    }
    const onError = () => done(Effect.fail(broken))
    // Who is interrupted is refused and cut off, and that is an end, too: nothing needs to be taken back here.
    request.on("data", onData).on("end", onEnd).on("error", onError).on("close", onError)
  })
