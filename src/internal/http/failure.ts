/** What goes wrong between a request and its answer. */

/** A cause without the request in it: the client's own errors carry the headers in clear. */
export class HttpFailure {
  readonly _tag = "HttpFailure"
  readonly kind: "transport" | "too-large" | "redirect" | "encoding"
  readonly description: string
  /** The request may have reached the other side. */
  readonly sent: boolean
  constructor(kind: HttpFailure["kind"], description: string, sent = true) {
    this.kind = kind
    this.description = description
    this.sent = sent
  }
}
