/** How long a try may hear nothing: bytes only note the time, and one timer looks at it when it fires. */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { Timeouts } from "../../LLM.ts"
import { later, liveClock } from "./runtime.ts"

/** Neither headers nor bytes for so long: nobody is there any more, whatever the HTTP client thinks. */
export const patience = Duration.minutes(5)

/** How long a connection that was given up may take to say so. Time of the machine: a socket is waited for. */
const abortLimit = "100 millis"

/** What ends a connection: its request, and the reading of its body. */
export interface Connection {
  readonly request: Scope.CloseableScope
  readonly body: Scope.CloseableScope
}

/** The abort wakes whoever reads. A client that ignores it is woken by the end of its body. */
export const disconnect = ({ body, request }: Connection): Effect.Effect<void> =>
  Effect.zipRight(
    Scope.close(request, Exit.void),
    Effect.zipRight(Effect.withClock(Effect.sleep(abortLimit), liveClock), Scope.close(body, Exit.void))
  )

/** What is read no more, as its reader leaves it. */
export const leave = ({ body, request }: Connection, exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> =>
  Effect.zipRight(Scope.close(body, exit), Scope.close(request, exit))

/** A connection's scopes. */
export const connection: Effect.Effect<Connection> = Effect.flatMap(
  Scope.make(),
  (request) => Effect.flatMap(Scope.make(), (body) => Effect.succeed({ request, body }))
)

export class Silence {
  /** Set before the connection is closed: what fails then is this. */
  expired: { readonly phase: "firstToken" | "betweenTokens"; readonly limit: number } | undefined = undefined
  private phase: "firstToken" | "betweenTokens" = "firstToken"
  private heardAt: number
  private cancel: (() => void) | undefined = undefined
  private readonly clock: Clock.Clock
  private readonly first: number | undefined
  private readonly between: number

  /** In a stream the user's limits speak of tokens, and are kept elsewhere; in a single answer they speak of bytes. */
  constructor(clock: Clock.Clock, timeouts: Timeouts, stream: boolean) {
    const millis = (limit: Duration.DurationInput | undefined) =>
      limit === undefined ? undefined : Duration.toMillis(limit)
    const longest = Duration.toMillis(patience)
    const first = millis(timeouts.firstToken)
    const between = millis(timeouts.betweenTokens)
    this.clock = clock
    this.first = stream && first !== undefined ? Math.max(first, longest) : first
    this.between = stream ? Math.max(between ?? 0, longest) : between ?? longest
    this.heardAt = clock.unsafeCurrentTimeMillis()
  }

  /** Headers are a sign of life, but not what a limit for the first byte waits for. */
  readonly headersCame = (): void => {
    if (this.first === undefined) this.bytesCame()
  }

  readonly bytesCame = (): void => {
    this.phase = "betweenTokens"
    this.heardAt = this.clock.unsafeCurrentTimeMillis()
  }

  /** Watches until `stop`; then closes the connection. */
  watch(connection: Connection): Effect.Effect<void> {
    // The limit may become the shorter one when the first byte comes.
    const wait = Math.min(this.heardAt + this.limit - this.clock.unsafeCurrentTimeMillis(), this.between)
    return Effect.map(later(connection.body, wait, this.look(connection)), (cancel) => {
      this.cancel = cancel
    })
  }

  stop(): void {
    this.cancel?.()
    this.cancel = undefined
  }

  private get limit(): number {
    return this.phase === "betweenTokens" ? this.between : this.first ?? Duration.toMillis(patience)
  }

  private look(connection: Connection): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.clock.unsafeCurrentTimeMillis() < this.heardAt + this.limit) return this.watch(connection)
      this.expired = { phase: this.phase, limit: this.limit }
      return disconnect(connection)
    })
  }
}
