/**
 * Reads what passes by: model, finish reason, usage, errors, with the wires' own readers. It never throws and holds
 * nothing up: what it cannot read is a problem that the row tells, and the bytes go on as they are.
 */
import { brotliDecompressSync, gunzipSync, inflateSync } from "node:zlib"
import { Completion, type ErrorFacts } from "../../internal/call/completion.ts"
import { FramingError } from "../../internal/http/framing.ts"
import * as json from "../../internal/json/values.ts"
import type { WireName } from "../../internal/wires/wireName.ts"
import { type AnswerReader, readers } from "./readers.ts"

/** Larger answers pass, and are not read. */
const maxBytes = 32 * 1024 * 1024
/** Of an error's body. */
const maxErrorBytes = 64 * 1024

type Headers = Readonly<Record<string, string | ReadonlyArray<string> | undefined>>

type Mode = "stream" | "whole" | "nothing"

export class Meter {
  readonly completion: Completion
  /** What the body of an error says. */
  error: ErrorFacts | undefined = undefined
  /** Why the answer could not be read, in words. */
  problem: string | undefined = undefined
  /** The answer had its last event. */
  isDone = false
  /** Something of the answer itself has passed. */
  hasContent = false
  /** The answer is a stream of events. */
  readonly isStream: boolean

  private readonly reader: AnswerReader | undefined
  private readonly encoding: string | undefined
  private readonly isError: boolean
  /** Of the answer, with one value each. */
  readonly headers: Readonly<Record<string, string>>
  private mode: Mode
  private kept: Array<Uint8Array> = []
  private keptBytes = 0

  constructor(options: {
    readonly wire: WireName | undefined
    readonly provider: string
    readonly model: string
    readonly status: number
    readonly headers: Headers
  }) {
    const { headers, model, provider, status, wire } = options
    this.isError = status >= 400
    this.headers = single(headers)
    const type = (this.headers["content-type"] ?? "").toLowerCase()
    this.isStream = type.startsWith("text/event-stream") || type.startsWith("application/vnd.amazon.eventstream")
    // Only of a stream it is to be known when its content begins.
    this.completion = new Completion({ owner: provider, callIdPrefix: "call_", emitting: this.isStream })
    const encoding = (this.headers["content-encoding"] ?? "identity").trim().toLowerCase()
    this.encoding = encoding === "identity" || encoding === "" ? undefined : encoding
    // An error is read whatever was asked for.
    this.reader = wire !== undefined ? readers[wire](provider, model) : this.isError
      ? readers["chat-completions"](provider, model)
      : undefined
    this.mode = this.reader === undefined || status < 200 || (status >= 300 && status < 400)
      ? "nothing"
      : this.isStream && !this.isError && this.encoding === undefined
      ? "stream"
      : "whole"
  }

  /** Whether the answer is one that has usage. */
  get reads(): boolean {
    return this.reader !== undefined && !this.isError
  }

  push(bytes: Uint8Array): void {
    if (this.mode === "nothing") return
    if (this.mode === "stream") return this.guarded((reader) => this.step(reader, reader.framing.push(bytes)))
    this.keptBytes += bytes.length
    if (this.keptBytes > maxBytes) {
      this.stop("the answer is larger than what is read for usage")
      return
    }
    if (!this.isError || this.keptBytes - bytes.length < maxErrorBytes) this.kept.push(bytes)
    this.hasContent ||= bytes.length > 0
  }

  /** The body has ended, in order or not. */
  end(): void {
    if (this.mode === "stream") this.guarded((reader) => this.step(reader, reader.framing.end()))
    else if (this.mode === "whole") this.guarded((reader) => this.readWhole(reader))
    this.mode = "nothing"
    this.kept = []
    if (this.completion.malformed !== undefined) this.problem ??= this.completion.malformed
  }

  /** Finish reason and usage are known: nothing of the answer is missing. */
  get isComplete(): boolean {
    return this.isDone || (this.reader !== undefined && this.reader.isComplete(this.completion))
  }

  private guarded(read: (reader: AnswerReader) => void): void {
    if (this.reader === undefined) return
    try {
      read(this.reader)
    } catch (error) {
      this.stop(error instanceof FramingError ? error.message : "the answer could not be read")
    }
  }

  private stop(problem: string): void {
    this.problem ??= problem
    this.mode = "nothing"
    this.kept = []
  }

  private step(reader: AnswerReader, events: ReturnType<AnswerReader["framing"]["push"]>): void {
    const { completion } = this
    for (const event of events) {
      if (completion.done) break
      reader.step(event, completion)
    }
    if (!this.hasContent) this.hasContent = completion.takeParts().length > 0
    else completion.takeParts()
    this.isDone = completion.done
  }

  private readWhole(reader: AnswerReader): void {
    const [first] = this.kept
    const bytes = this.decompressed(
      this.kept.length === 1 && Buffer.isBuffer(first) ? first : Buffer.concat(this.kept)
    )
    if (bytes === undefined) return
    if (this.isStream && !this.isError) {
      this.step(reader, [...reader.framing.push(bytes), ...reader.framing.end()])
      return
    }
    const body = json.parse(bytes.toString("utf8"))
    const facts = this.isError ? reader.errorOf(body, this.headers) : undefined
    if (this.isError) {
      this.error = facts ?? { message: body === undefined ? undefined : "the body names no error" }
      return
    }
    // Gemini's streams come as a list, too.
    if (Array.isArray(body)) this.step(reader, body.map((item) => ({ event: "", data: JSON.stringify(item) })))
    else if (json.isObject(body)) {
      const inBand = reader.errorOf(body, this.headers)
      if (inBand === undefined) reader.whole(body, this.completion)
      else this.completion.failure = inBand
    } else this.problem = "the answer is no JSON"
  }

  private decompressed(bytes: Buffer): Buffer | undefined {
    const limit = { maxOutputLength: maxBytes }
    try {
      switch (this.encoding) {
        case undefined:
          return bytes
        case "gzip":
        case "x-gzip":
          return gunzipSync(bytes, limit)
        case "br":
          return brotliDecompressSync(bytes, limit)
        case "deflate":
          return inflateSync(bytes, limit)
      }
    } catch {
      // Said below.
    }
    this.problem = `the answer is encoded in a way that is not read (${String(this.encoding).slice(0, 20)})`
    return undefined
  }
}

const single = (headers: Headers): Readonly<Record<string, string>> => {
  const found: Record<string, string> = {}
  for (const name in headers) {
    const value = headers[name]
    if (value !== undefined) found[name] = typeof value === "string" ? value : value.join(", ")
  }
  return found
}
