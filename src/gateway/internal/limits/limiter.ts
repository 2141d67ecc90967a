/**
 * Admits calls under all rules at once and books what they took. A call holds an estimate from the moment it is admitted
 * until it is settled, however it ends; what it is granted comes from a slice at hand, so that the store is asked seldom.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as FiberSet from "effect/FiberSet"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { uuidv7 } from "../../../internal/call/uuid.ts"
import { Account, after, type Instant, instant, instantOf } from "./account.ts"
import {
  bookingsOf,
  type Charge,
  type Entry,
  type Estimate,
  type Lease,
  nearestOf,
  type Real,
  type Refused,
  tookOf
} from "./charge.ts"
import { compile, type Compiled, type Dimension, type Facts, type Limit, type Rule } from "./rule.ts"
import type { Store, StoreError } from "./store.ts"
import { budgetsOf, newlyPassed, type Passed } from "./thresholds.ts"
import type { Window } from "./window.ts"

export interface Usage {
  readonly rule: Rule
  /** The key whose own it is. */
  readonly key: string | undefined
  readonly dimension: Dimension
  readonly limit: bigint
  readonly window: Window
  readonly scopes: ReadonlyArray<{ readonly scope: string; readonly used: bigint }>
}

export interface Hooks {
  readonly passed?: ((passed: Passed) => Effect.Effect<void>) | undefined
  /** A rule refused a call, or would have. */
  readonly exceeded?: ((rule: string, dimension: Dimension, mode: "enforce" | "shadow") => void) | undefined
}

/** Grants are renewed, and those that nobody needs given back, ms. */
const every = 1000
/** Where nobody else is there, old accounts are only forgotten, ms. */
const forgetEvery = 600_000
/** A store that did not answer is asked by no call for so long, unless it answers what is told to it every second, ms. */
const awayFor = 10_000
/** After the store had too little it is left alone, ms. */
const pause = 250
const storeLimit = "2 seconds"
const forgetAfter = 60_000
const batch = 100

export class Limiter {
  private compiled: ReadonlyArray<Compiled>
  private readonly current = new Map<string, Entry>()
  /** By account and window: a clock that goes back comes to the same ones again. */
  private readonly all = new Map<string, Entry>()
  /** By the steady clock. */
  private awayUntil = 0
  private serial = 0
  private readonly store: Store
  private readonly hooks: Hooks
  private readonly replica: string
  private readonly fibers: FiberSet.FiberSet

  private constructor(
    rules: ReadonlyArray<Rule>,
    store: Store,
    hooks: Hooks,
    replica: string,
    fibers: FiberSet.FiberSet
  ) {
    this.compiled = rules.map((rule) => compile(rule))
    this.store = store
    this.hooks = hooks
    this.replica = replica
    this.fibers = fibers
  }

  static make(
    rules: ReadonlyArray<Rule>,
    store: Store,
    hooks: Hooks = {}
  ): Effect.Effect<Limiter, never, Scope.Scope> {
    return Effect.gen(function*() {
      const fibers = yield* FiberSet.make()
      const limiter = new Limiter(rules, store, hooks, uuidv7(yield* Clock.currentTimeMillis), fibers)
      // What was spent last is told when the process ends.
      yield* Effect.addFinalizer(() => Effect.interruptible(limiter.synchronize(true)))
      const pace = Number.isFinite(store.lifetime) ? every : forgetEvery
      yield* Effect.forkScoped(Effect.repeat(limiter.synchronize(), Schedule.spaced(pace)))
      return limiter
    })
  }

  /**
   * Other rules from now on. What was spent under a rule that keeps its name, and whose calls it counts together, stays
   * spent; calls that run end under those that they began with.
   */
  replace(rules: ReadonlyArray<Rule>): void {
    this.compiled = rules.map((rule) => compile(rule))
  }

  get isEmpty(): boolean {
    return this.compiled.length === 0
  }

  /** Whether money decides about such a call: its price is looked up only then. */
  needsPrice(facts: Facts): boolean {
    return this.about(facts).some(({ limits, scopeOf }) =>
      limits.some(({ dimension }) => dimension === "usd") && scopeOf(facts) !== undefined
    )
  }

  private about({ own }: Facts): ReadonlyArray<Compiled> {
    return own === undefined || own.length === 0 ? this.compiled : [...this.compiled, ...own]
  }

  /** `onHeld` gets the lease in the step in which it comes to be: an interruption behind it loses nothing. */
  admit(facts: Facts, estimate: Estimate, onHeld: (lease: Lease) => void): Effect.Effect<Lease | undefined, Refused> {
    return Effect.clockWith((clock) => {
      const now = instantOf(clock)
      const charges = this.chargesOf(facts, estimate, now)
      return charges.length === 0 ? Effect.succeed(undefined) : this.attempt(charges, onHeld, now, 0)
    })
  }

  private attempt(
    charges: ReadonlyArray<Charge>,
    onHeld: (lease: Lease) => void,
    now: Instant,
    tries: number
  ): Effect.Effect<Lease, Refused> {
    const short = charges.filter(({ amount, entry }) => !entry.account.fits(amount, now))
    const asked = tries >= 5 ? [] :
      short.filter(({ amount, entry: { account }, isExempt }) =>
        !isExempt && !account.neverFits(amount) && !account.isPaused(amount, now) && this.awayUntil <= now.steady
      )
    if (asked.length === 0) return this.decide(charges, short, onHeld, now)
    return Effect.flatMap(
      Effect.zipRight(
        Effect.forEach(asked, (charge) => this.ask(charge, now), { discard: true }),
        instant
      ),
      (later) => this.attempt(charges, onHeld, later, tries + 1)
    )
  }

  private decide(
    charges: ReadonlyArray<Charge>,
    short: ReadonlyArray<Charge>,
    onHeld: (lease: Lease) => void,
    now: Instant
  ): Effect.Effect<Lease, Refused> {
    const isAway = this.awayUntil > now.steady
    const shadowed = new Set<string>()
    for (const { amount, entry: { account, limit: { dimension, rule } }, isExempt } of short) {
      if (isExempt) continue
      const policy = rule.storeAway ?? "count"
      if (isAway && !account.neverFits(amount)) {
        if (policy === "allow" || (policy === "count" && account.fitsAlone(amount))) continue
      }
      const mode = rule.mode ?? "enforce"
      this.hooks.exceeded?.(rule.name, dimension, mode)
      if (mode === "enforce") {
        return Effect.fail({
          _tag: "Refused",
          rule: rule.name,
          dimension,
          reason: account.neverFits(amount) ? "tooLarge" : isAway && policy === "refuse" ? "storeAway" : "spent",
          limit: account.limit,
          remaining: account.remaining,
          window: account.window,
          at: now.wall,
          retryAfter: dimension === "concurrent" ? every : account.window.ends - now.wall,
          degrade: dimension === "usd" ? rule.degrade : undefined,
          nearest: nearestOf(charges, now.wall)
        })
      }
      shadowed.add(rule.name)
    }
    for (const { amount, entry } of charges) entry.account.hold(amount, now)
    const lease = this.leaseOf(charges, [...shadowed], now.wall)
    onHeld(lease)
    return Effect.succeed(lease)
  }

  private leaseOf(charges: ReadonlyArray<Charge>, shadowed: ReadonlyArray<string>, at: number): Lease {
    let isSettled = false
    return {
      _tag: "Lease",
      nearest: nearestOf(charges, at),
      budgets: budgetsOf(charges),
      shadowed,
      settle: (real) =>
        Effect.flatMap(instant, (now) => {
          if (isSettled) return Effect.succeed([])
          isSettled = true
          for (const charge of charges) this.settle(charge, real, now)
          return Effect.as(
            this.alerted(charges.map(({ entry }) => entry)),
            real === undefined ? [] : bookingsOf(charges)
          )
        })
    }
  }

  private settle({ amount, entry }: Charge, real: Real | undefined, now: Instant): void {
    const { account, limit, scope } = entry
    const took = real === undefined ? 0n : tookOf(limit.dimension, amount, real)
    if (limit.dimension === "tokens" && took > amount && now.wall >= account.window.ends) {
      // A rate is about when tokens flow: what nobody foresaw counts in the minute in which it is known.
      account.settle(amount, amount)
      const current = this.current.get(account.name)?.limit ?? limit
      this.entryOf(current, scope, now).account.settle(0n, took - amount)
    } else {
      account.settle(amount, took)
    }
  }

  // ── thresholds ────────────────────────────────────────────────────────────────────────────────────────────────────

  private alerted(entries: ReadonlyArray<Entry>): Effect.Effect<void> {
    const { passed } = this.hooks
    if (passed === undefined) return Effect.void
    const found = entries.flatMap((entry) =>
      newlyPassed(entry).map((one) =>
        Effect.flatMap(
          // Told twice is better than not at all.
          this.store.claim(entry.account.name, one.window, one.threshold).pipe(
            Effect.timeout(storeLimit),
            Effect.orElseSucceed(() => true)
          ),
          (isFirst) => isFirst ? passed(one) : Effect.void
        )
      )
    )
    return Effect.forEach(found, (tell) => FiberSet.run(this.fibers, tell), { discard: true })
  }

  // ── accounts ──────────────────────────────────────────────────────────────────────────────────────────────────────

  private chargesOf(facts: Facts, estimate: Estimate, now: Instant): ReadonlyArray<Charge> {
    const charges: Array<Charge> = []
    for (const { limits, scopeOf } of this.about(facts)) {
      const scope = scopeOf(facts)
      if (scope === undefined) continue
      for (const limit of limits) {
        const { dimension } = limit
        if (!facts.isPaid && (dimension === "tokens" || dimension === "usd")) continue
        const amount = dimension === "tokens" ? estimate.tokens : dimension === "usd" ? estimate.usd : 1n
        const isExempt = facts.isDegraded === true && dimension === "usd" && limit.rule.degrade !== undefined
        charges.push({ entry: this.entryOf(limit, scope, now), amount, isExempt })
      }
    }
    return charges
  }

  private entryOf(limit: Limit, scope: string, now: Instant): Entry {
    const name = limit.prefix + scope
    const known = this.current.get(name)
    if (known !== undefined && isOpenAt(known, limit, now.wall)) return under(limit, known)
    const window = limit.windowAt(now.wall)
    const id = idOf(name, window)
    const before = this.all.get(id)
    if (before !== undefined) {
      this.current.set(name, before)
      return under(limit, before)
    }
    const entry: Entry = {
      account: new Account(name, limit.amount, window),
      limit,
      scope,
      holder: `${this.replica}/${(this.serial++).toString(36)}`,
      asking: undefined
    }
    entry.account.usedAt = now.steady
    this.current.set(name, entry)
    this.all.set(id, entry)
    return entry
  }

  // ── the store ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** One question about an account at a time: who comes meanwhile waits for its answer. */
  private ask({ amount, entry }: Charge, now: Instant): Effect.Effect<void> {
    if (entry.asking !== undefined) return Deferred.await(entry.asking)
    return this.tell([{ entry, needs: amount > 0n ? amount : 1n, isIdle: false }], now)
  }

  private tell(
    asks: ReadonlyArray<{ readonly entry: Entry; readonly needs: bigint; readonly isIdle: boolean }>,
    now: Instant
  ): Effect.Effect<void> {
    return Effect.uninterruptibleMask((restore) => {
      const done = Deferred.unsafeMake<void>(FiberId.none)
      const told = asks.map(({ entry, isIdle, needs }) => {
        entry.asking = done
        return { entry, needs, report: entry.account.report(needs, isIdle, now) }
      })
      const question = this.store.report(
        told.map(({ entry: { account: { name, window }, holder }, report }) => ({
          account: name,
          window,
          holder,
          report
        })),
        now.wall
      )
      return restore(Effect.timeout(Effect.disconnect(question), storeLimit)).pipe(
        Effect.flatMap((answers) => {
          this.awayUntil = 0
          told.forEach(({ entry: { account }, needs, report }, at) => {
            const answer = answers[at]
            if (answer === undefined) return
            account.learn(report, answer, after(now, this.store.lifetime))
            if (report.wants > 0n && answer.granted === report.keeps) account.pause(needs, now.steady + pause)
          })
          return this.alerted(told.map(({ entry }) => entry))
        }),
        Effect.catchAll(() =>
          Effect.map(instant, ({ steady }) => {
            this.awayUntil = steady + awayFor
          })
        ),
        Effect.ensuring(Effect.sync(() => {
          for (const { entry } of told) entry.asking = undefined
          Deferred.unsafeDone(done, Effect.void)
        }))
      )
    })
  }

  /** Tells the store what calls took, renews what is needed, gives back what is not. */
  readonly synchronize = (isLast = false): Effect.Effect<void> =>
    Effect.flatMap(instant, (now) => {
      const open: Array<Entry> = []
      let closed: Entry | undefined
      for (const [id, entry] of this.all) {
        const { account } = entry
        if (entry.asking !== undefined) continue
        if (account.isOpen) open.push(entry)
        else if (now.wall >= account.window.ends || now.steady - account.usedAt > forgetAfter) {
          this.all.delete(id)
          if (this.current.get(account.name) === entry) this.current.delete(account.name)
        } else closed = entry
      }
      // A store that is away is asked, though there is nothing to tell it.
      if (open.length === 0 && closed !== undefined && this.awayUntil > now.steady) open.push(closed)
      const batches = Array.from(
        { length: Math.ceil(open.length / batch) },
        (_, at) => open.slice(at * batch, (at + 1) * batch)
      )
      return Effect.forEach(batches, (entries, at) =>
        // The first one finds out whether it is there again.
        at > 0 && this.awayUntil > now.steady ? Effect.void : this.tell(
          entries.filter(({ asking }) => asking === undefined).map((entry) => ({
            entry,
            needs: 0n,
            isIdle: isLast || now.wall >= entry.account.window.ends || now.steady - entry.account.usedAt >= every
          })),
          now
        ), { discard: true })
    })

  /** What was spent under each rule, by scope. */
  readonly usage = (ofKeys: ReadonlyArray<Compiled> = []): Effect.Effect<ReadonlyArray<Usage>, StoreError> =>
    Effect.flatMap(
      Effect.zipRight(this.synchronize(), Clock.currentTimeMillis),
      (now) =>
        Effect.forEach([...this.compiled, ...ofKeys].flatMap(({ limits }) => limits), (limit) => {
          const { prefix } = limit
          return Effect.map(this.store.usage(prefix, now), (found): Usage => ({
            rule: limit.rule,
            key: limit.key,
            dimension: limit.dimension,
            limit: limit.amount,
            window: limit.windowAt(now),
            scopes: found.map(({ account, used }) => ({
              scope: account.slice(prefix.length),
              // Nothing is spent of slots: they are in use.
              used: limit.dimension === "concurrent" ? this.current.get(account)?.account.held ?? 0n : used
            }))
          }))
        })
    )
}

const idOf = (name: string, { ends, starts }: Window): string => `${name}\0${starts}\0${ends}`

/** An entry, under the limit as it stands now. */
const under = (limit: Limit, entry: Entry): Entry => {
  if (entry.limit === limit) return entry
  entry.limit = limit
  if (entry.account.limit !== limit.amount) entry.account.change(limit.amount)
  return entry
}

/** The same window, of the limit as it stands now. */
const isOpenAt = ({ account: { window }, limit: before }: Entry, limit: Limit, now: number): boolean => {
  if (now < window.starts || now >= window.ends) return false
  if (before === limit) return true
  const { ends, starts } = limit.windowAt(now)
  return starts === window.starts && ends === window.ends
}
