/** What a cascade of scripted members does, worked out without running it. All times are ms since the call. */
import { type Reply, textsOf } from "./upstream.ts"

/** A member of a cascade: a provider, or another cascade. `wraps` are layers around it that change nothing. */
export type Node = Leaf | Tree

export interface Leaf {
  readonly tag: "leaf"
  readonly name: string
  readonly tries: number
  /** Between two tries. */
  readonly backoff: number
  readonly replies: ReadonlyArray<Reply>
  readonly wraps: ReadonlyArray<Wrap>
}

export interface Tree {
  readonly tag: "tree"
  readonly members: readonly [Node, ...ReadonlyArray<Node>]
  readonly hedge: { readonly after: number; readonly max: number } | undefined
  readonly continues: boolean
  readonly wraps: ReadonlyArray<Wrap>
}

export type Wrap = "decorated" | "alone" | "breaker" | "balanced" | "guarded" | "logged"

export interface Limits {
  readonly mode: "generate" | "stream"
  readonly total: number
  readonly firstToken: number
  readonly betweenTokens: number
}

/** A request that went out. */
export interface Try {
  readonly host: string
  readonly at: number
  /** What it failed with; undefined when it answered, or was interrupted. */
  readonly error?: string | undefined
}

export type Part = { readonly tag: "text"; readonly text: string } | { readonly tag: "seam" }

/** How it ended: with an answer of `host`, or an error. */
export type End = { readonly at: number } & ({ readonly host: string } | { readonly error: string })

interface Won {
  readonly tag: "won"
  readonly at: number
  readonly parts: ReadonlyArray<Part>
  readonly end: End
  readonly tries: ReadonlyArray<Try>
}

interface Failed {
  readonly tag: "failed"
  readonly at: number
  readonly error: string
  readonly tries: ReadonlyArray<Try>
}

type Outcome = Won | Failed

/** Two things at the same moment: either order is right, so such a scenario says nothing. */
export class Tie extends Error {}

const surfaces = new Set(["InvalidRequestError", "ContentFilteredError"])
const retryable = new Set(["RateLimited", "ServerError", "Overloaded", "Transport", "Timeout", "MalformedResponse"])

const errorOfStatus = {
  400: "InvalidRequestError",
  401: "Authentication",
  404: "ModelNotFound",
  429: "RateLimited",
  500: "ServerError",
  503: "Overloaded"
} as const

export const predict = (node: Node, limits: Limits): Outcome => play(node, 0, false, limits)

const play = (node: Node, start: number, retriedByCascade: boolean, limits: Limits): Outcome =>
  node.tag === "leaf" ? leaf(node, start, retriedByCascade, limits) : tree(node, start, retriedByCascade, limits)

// ── one provider ────────────────────────────────────────────────────────────────────────────────────────────────────

const leaf = (node: Leaf, start: number, retriedByCascade: boolean, limits: Limits): Outcome => {
  const tries: Array<Try> = []
  let at = start
  for (let index = 0;; index++) {
    const reply = node.replies[Math.min(index, node.replies.length - 1)]
    if (reply === undefined) throw new Error("a script is empty")
    const outcome = attempt(node.name, reply, at, limits)
    tries.push({ host: node.name, at, error: outcome.tag === "failed" ? outcome.error : errorOf(outcome.end) })
    if (outcome.tag === "won") return { ...outcome, tries }
    const again = outcome.at + node.backoff
    const isOver = outcome.at >= limits.total
    if (isOver || retriedByCascade || index + 1 === node.tries || !retryable.has(outcome.error)) {
      return { ...outcome, tries }
    }
    if (again === limits.total) throw new Tie()
    if (again > limits.total) return { tag: "failed", at: limits.total, error: "Timeout", tries }
    at = again
  }
}

const errorOf = (end: End): string | undefined => "error" in end ? end.error : undefined

const attempt = (host: string, reply: Reply, start: number, limits: Limits): Outcome => {
  const failed = (at: number, error: string): Failed => ({ tag: "failed", at, error, tries: [] })
  const byTotal = (outcome: Failed): Failed => {
    if (outcome.at === limits.total) throw new Tie()
    return outcome.at > limits.total ? failed(limits.total, "Timeout") : outcome
  }
  const before = (after: number, error: string): Failed => {
    const patience = limits.firstToken
    if (after === patience) throw new Tie()
    return byTotal(after > patience ? failed(start + patience, "Timeout") : failed(start + after, error))
  }
  // The first bytes of a single answer, and nothing more.
  const silentAfter = (after: number): Failed => {
    const heard = before(after, "heard")
    return heard.error === "heard" ? byTotal(failed(start + after + limits.betweenTokens, "Timeout")) : heard
  }
  switch (reply.tag) {
    case "status":
      return before(reply.wait, errorOfStatus[reply.status])
    case "reset":
      return before(reply.wait, "Transport")
    case "refusal":
      return before(reply.wait + reply.gap, "ContentFilteredError")
    case "inBand":
      return before(reply.wait + reply.gap, "ServerError")
    case "cut":
      return before(reply.wait + reply.gap, "Transport")
    case "silent":
      return limits.mode === "stream" ? before(Infinity, "Timeout") : silentAfter(reply.wait)
    case "stall":
      return before(Infinity, "Timeout")
    case "answer":
    case "break":
    case "stuck": {
      const [first, second, third] = reply.gaps
      const [one, two] = textsOf(host)
      if (limits.mode === "generate") {
        if (reply.tag === "stuck") return silentAfter(reply.wait + first + second)
        const took = reply.wait + first + second + (reply.tag === "answer" ? third : 0)
        const late = before(took, "Transport")
        return reply.tag === "break" || late.error === "Timeout"
          ? late
          : { tag: "won", at: late.at, parts: [], end: { at: late.at, host }, tries: [] }
      }
      const opened = before(reply.wait + first, "opened")
      if (opened.error !== "opened") return opened
      return {
        tag: "won",
        at: opened.at,
        tries: [],
        ...follow(host, reply.tag, opened.at, [one, two], [second, third], limits)
      }
    }
  }
}

/** After the first piece. */
const follow = (
  host: string,
  tag: "answer" | "break" | "stuck",
  opened: number,
  [one, two]: readonly [string, string],
  [second, third]: readonly [number, number],
  limits: Limits
): { readonly parts: ReadonlyArray<Part>; readonly end: End } => {
  const parts: Array<Part> = [{ tag: "text", text: one }]
  const steps = tag === "answer" ? [second, third] : [tag === "break" ? second : Infinity]
  let at = opened
  for (const [index, gap] of steps.entries()) {
    const silentUntil = at + limits.betweenTokens
    const until = Math.min(silentUntil, limits.total)
    if (at + gap === until && until < Infinity) throw new Tie()
    if (at + gap > until) return { parts, end: { at: until, error: "Timeout" } }
    at += gap
    if (tag === "break") return { parts, end: { at, error: "Transport" } }
    if (index === 0) parts.push({ tag: "text", text: two })
  }
  return { parts, end: { at, host } }
}

// ── members ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const tree = (node: Tree, start: number, retriedByCascade: boolean, limits: Limits): Outcome => {
  const waiting = [...node.members]
  const opened = race(node, waiting, start, retriedByCascade, limits)
  if (opened.tag === "failed") return opened
  let { end, parts, tries } = opened
  while (
    node.continues && limits.mode === "stream" && "error" in end && end.at < limits.total && waiting.length > 0
  ) {
    // Nobody above can move on any more.
    const next = race(node, waiting, end.at, false, limits)
    tries = [...tries, ...next.tries]
    if (next.tag === "failed") end = { at: next.at, error: end.error }
    else {
      parts = [...parts, { tag: "seam" }, ...next.parts]
      end = next.end
    }
    if (next.tag === "failed") break
  }
  return { tag: "won", at: opened.at, parts, end, tries }
}

/** Asks those who wait, until one begins to answer; takes them off the list. */
const race = (node: Tree, waiting: Array<Node>, start: number, retriedByCascade: boolean, limits: Limits): Outcome => {
  const most = node.hedge === undefined ? 1 : 1 + node.hedge.max
  const done: Array<Try> = []
  let running: ReadonlyArray<Outcome> = []
  let dueAt = Infinity
  let now = start
  const begin = () => {
    const next = waiting.shift()
    if (next === undefined) return
    running = [...running, play(next, now, retriedByCascade || waiting.length > 0, limits)]
    dueAt = now + (node.hedge?.after ?? Infinity)
  }
  begin()
  for (;;) {
    const soonest = Math.min(...running.map(({ at }) => at))
    const due = running.length < most && waiting.length > 0 ? Math.max(now, dueAt) : Infinity
    if (due === soonest && due < Infinity) throw new Tie()
    if (due < soonest) {
      now = due
      begin()
      continue
    }
    const ended = running.filter(({ at }) => at === soonest)
    const [outcome] = ended
    if (outcome === undefined || soonest === Infinity) throw new Error("a scenario without an end")
    if (ended.length > 1 && soonest < limits.total) throw new Tie()
    now = soonest
    running = running.filter((other) => other !== outcome)
    const interrupted = running.flatMap(({ tries }) => tries.filter((one) => one.at < now))
    if (outcome.tag === "won") return { ...outcome, tries: [...done, ...interrupted, ...outcome.tries] }
    done.push(...outcome.tries)
    const isLast = running.length === 0 && waiting.length === 0
    if (surfaces.has(outcome.error) || now >= limits.total || isLast) {
      return { tag: "failed", at: now, error: outcome.error, tries: [...done, ...interrupted] }
    }
    if (running.length === 0) begin()
  }
}
