/** Turns the bytes of a streamed body into events. One reader per stream; it keeps only what is incomplete. */

export interface WireEvent {
  /** The `event:` field; empty when there was none. */
  readonly event: string
  readonly data: string
}

export interface Framing {
  /** The events that are complete with these bytes. Throws `FramingError` past a limit. */
  readonly push: (bytes: Uint8Array) => ReadonlyArray<WireEvent>
  /** What the end of the body completes. */
  readonly end: () => ReadonlyArray<WireEvent>
}

export class FramingError extends Error {
  override readonly name = "FramingError"
}
