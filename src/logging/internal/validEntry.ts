/**
 * A row that every sink takes, made when the row is: what is promised durable has been accepted by then. A `redact` or a
 * provider may have put anything into it.
 */
import { type Attempt, type Booking, Entry } from "../RequestLog.ts"

/** Longer names do not fit into PostgreSQL's indexes. */
const maxName = 500
const maxText = 8000
const maxLabels = 100
const maxAttempts = 1000
/** Digits after the point that sums keep on every database. */
const maxScale = 24
const year = 365.25 * 86_400_000
const maxTime = 8000 * year
const maxSeconds = 1e10
const maxCount = Number.MAX_SAFE_INTEGER

const anySurrogate = /[\ud800-\udfff]/
// oxlint-disable-next-line no-misleading-character-class -- halves of surrogate pairs are what is looked for
const loneSurrogate = /\p{Surrogate}/gu
const isUuid = /^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$/

export interface Valid {
  readonly entry: Entry
  /** Fields that could not stay as they were. */
  readonly changed: ReadonlyArray<string>
}

/** Values are looked at as they are, whatever their types say. */
class Checker {
  readonly changed: Array<string> = []

  text(name: string, value: unknown, limit: number): string | undefined {
    if (value === undefined) return undefined
    const said = typeof value === "string" ? value : value === null ? undefined : printed(value)
    const cut = said !== undefined && said.length > limit ? `${said.slice(0, limit - 1)}…` : said
    // Most texts have no such half, and the rest of the question costs.
    const whole = cut !== undefined && anySurrogate.test(cut) ? cut.replace(loneSurrogate, "\ufffd") : cut
    if (whole !== value) this.changed.push(name)
    return whole
  }

  number(name: string, value: unknown, limit: number, isWhole: boolean): number | undefined {
    if (value === undefined) return undefined
    const given = typeof value === "bigint" ? Number(value) : value
    if (typeof given !== "number" || !Number.isFinite(given)) {
      this.changed.push(name)
      return undefined
    }
    const clamped = Math.min(limit, Math.max(0, isWhole ? Math.round(given) : given))
    if (clamped !== value) this.changed.push(name)
    return clamped
  }

  /** Of a field that every row has. */
  given<A>(name: string, value: A | undefined, otherwise: A): A {
    if (value !== undefined) return value
    this.changed.push(name)
    return otherwise
  }

  /** A field that every row has, and this one has not. */
  absent(name: string, make: () => string): string {
    this.changed.push(name)
    return make()
  }

  count(name: string, value: unknown): number | undefined {
    return this.number(name, value, maxCount, true)
  }

  seconds(name: string, value: unknown): number | undefined {
    return this.number(name, value, maxSeconds, false)
  }

  flag(name: string, value: unknown): boolean {
    if (typeof value !== "boolean") this.changed.push(name)
    return value === true
  }

  among<A extends string>(name: string, value: A, allowed: ReadonlyArray<A>, otherwise: A): A {
    if (allowed.includes(value)) return value
    this.changed.push(name)
    return otherwise
  }

  decimal(name: string, value: unknown): string | undefined {
    if (value === undefined) return undefined
    const exact = typeof value === "string" ? value : typeof value === "number" ? plain(value) : printed(value)
    const match = exact === undefined ? null : /^(-?\d{1,30})(?:\.(\d+))?$/.exec(exact)
    if (exact === undefined || match === null) {
      this.changed.push(name)
      return undefined
    }
    const digits = match[2] ?? ""
    if (digits.length <= maxScale) {
      if (exact !== value) this.changed.push(name)
      return exact
    }
    this.changed.push(name)
    return `${match[1] ?? "0"}.${digits.slice(0, maxScale)}`
  }
}

/** A number in plain digits. */
const plain = (value: number): string | undefined =>
  Number.isFinite(value) && Math.abs(value) < 1e21 ? value.toFixed(12).replace(/\.?0+$/, "") : undefined

const printed = (value: unknown): string | undefined => {
  if (typeof value === "bigint" || typeof value === "number" || typeof value === "boolean") return String(value)
  return undefined
}

const attemptsOf = (checker: Checker, attempts: Entry["attempts"]): ReadonlyArray<Attempt> => {
  if (!Array.isArray(attempts)) {
    checker.changed.push("attempts")
    return []
  }
  const isWhole = (one: unknown): one is Attempt => typeof one === "object" && one !== null
  const whole = attempts.slice(0, maxAttempts).filter(isWhole)
  if (whole.length < attempts.length) checker.changed.push("attempts")
  return whole.map((attempt): Attempt => ({
    provider: checker.given("attempts", checker.text("attempts", attempt.provider, maxName), "unknown"),
    model: checker.given("attempts", checker.text("attempts", attempt.model, maxName), "unknown"),
    duration: checker.given("attempts", checker.number("attempts", attempt.duration, maxSeconds, false), 0),
    error: checker.text("attempts", attempt.error, maxName),
    status: checker.number("attempts", attempt.status, 999, true),
    requestId: checker.text("attempts", attempt.requestId, maxName)
  }))
}

const labelsOf = (checker: Checker, metadata: Entry["metadata"]): Entry["metadata"] => {
  if (typeof metadata !== "object" || metadata === null) {
    checker.changed.push("metadata")
    return {}
  }
  const found = Object.entries(metadata)
  if (found.length > maxLabels) checker.changed.push("metadata")
  const labels: Array<readonly [string, string]> = []
  for (const [name, value] of found.slice(0, maxLabels)) {
    const key = checker.text("metadata", name, maxName)
    const text = checker.text("metadata", value, maxText)
    if (key !== undefined && text !== undefined) labels.push([key, text])
  }
  return Object.fromEntries(labels)
}

const isAmount = /^\d{1,38}$/
const maxAccount = 2000

/** One that is not whole would be booked as something else. */
const bookingsOf = (checker: Checker, bookings: Entry["bookings"]): ReadonlyArray<Booking> | undefined => {
  if (bookings === undefined) return undefined
  const isWhole = (one: unknown): one is Booking => {
    if (typeof one !== "object" || one === null) return false
    const { account, ends, holder, spent, starts }: { readonly [K in keyof Booking]?: unknown } = one
    return typeof account === "string" && account.length <= maxAccount && !anySurrogate.test(account) &&
      typeof holder === "string" && holder.length <= maxName && !anySurrogate.test(holder) &&
      Number.isSafeInteger(starts) && Number.isSafeInteger(ends) && typeof spent === "string" && isAmount.test(spent)
  }
  const whole = Array.isArray(bookings) ? bookings.slice(0, maxAttempts).filter(isWhole) : []
  if (!Array.isArray(bookings) || whole.length < bookings.length) checker.changed.push("bookings")
  return whole.length === 0 ? undefined : whole.map(({ account, ends, holder, spent, starts }) => ({
    account,
    starts,
    ends,
    holder,
    spent
  }))
}

const kinds: ReadonlyArray<Entry["kind"]> = ["call", "attempt"]
const statuses: ReadonlyArray<Entry["status"]> = ["success", "error", "cancelled"]
const fields: ReadonlySet<string> = new Set(Object.keys(Entry.fields))

/** Whether it can be the key of a row. */
export const isRequestId = (value: unknown): value is string => typeof value === "string" && isUuid.test(value)

/** The row as it can be written, and what had to change. `id` makes a key where the row's own is none. */
export const valid = (entry: Entry, now: number, id: () => string): Valid => {
  const checker = new Checker()
  const key = (value: unknown): string | undefined => {
    if (isRequestId(value)) return value
    if (value !== undefined) checker.changed.push("requestId")
    return undefined
  }
  // Each field by its name: every row comes here, and to read one by a name in a variable costs several times as much.
  const made: Entry = {
    requestId: key(entry.requestId) ?? checker.absent("requestId", id),
    kind: checker.among("kind", entry.kind, kinds, "call"),
    parentId: key(entry.parentId),
    provider: checker.given("provider", checker.text("provider", entry.provider, maxName), "unknown"),
    model: checker.given("model", checker.text("model", entry.model, maxName), "unknown"),
    requestedModel: checker.given(
      "requestedModel",
      checker.text("requestedModel", entry.requestedModel, maxName),
      "unknown"
    ),
    timestamp: checker.given("timestamp", checker.number("timestamp", entry.timestamp, maxTime, false), now),
    responseTime: checker.given("responseTime", checker.seconds("responseTime", entry.responseTime), 0),
    timeToFirstToken: checker.seconds("timeToFirstToken", entry.timeToFirstToken),
    inputTokens: checker.given("inputTokens", checker.count("inputTokens", entry.inputTokens), 0),
    outputTokens: checker.given("outputTokens", checker.count("outputTokens", entry.outputTokens), 0),
    cachedTokens: checker.given("cachedTokens", checker.count("cachedTokens", entry.cachedTokens), 0),
    cacheCreationTokens: checker.given(
      "cacheCreationTokens",
      checker.count("cacheCreationTokens", entry.cacheCreationTokens),
      0
    ),
    reasoningTokens: checker.given("reasoningTokens", checker.count("reasoningTokens", entry.reasoningTokens), 0),
    usagePartial: checker.flag("usagePartial", entry.usagePartial),
    inputCost: checker.decimal("inputCost", entry.inputCost),
    outputCost: checker.decimal("outputCost", entry.outputCost),
    toolUseCost: checker.decimal("toolUseCost", entry.toolUseCost),
    totalCost: checker.decimal("totalCost", entry.totalCost),
    status: checker.among("status", entry.status, statuses, "error"),
    errorType: checker.text("errorType", entry.errorType, maxName),
    errorMessage: checker.text("errorMessage", entry.errorMessage, maxText),
    finishReason: checker.text("finishReason", entry.finishReason, maxName),
    streamed: checker.flag("streamed", entry.streamed),
    cached: checker.flag("cached", entry.cached),
    attempts: attemptsOf(checker, entry.attempts),
    storageRequestKey: checker.text("storageRequestKey", entry.storageRequestKey, maxText),
    storageResponseKey: checker.text("storageResponseKey", entry.storageResponseKey, maxText),
    storageError: checker.text("storageError", entry.storageError, maxText),
    apiKeyHash: checker.text("apiKeyHash", entry.apiKeyHash, maxName),
    apiKeyAlias: checker.text("apiKeyAlias", entry.apiKeyAlias, maxName),
    metadata: labelsOf(checker, entry.metadata),
    majordomoApiKeyId: checker.text("majordomoApiKeyId", entry.majordomoApiKeyId, maxName),
    requestPath: checker.text("requestPath", entry.requestPath, maxText),
    requestMethod: checker.text("requestMethod", entry.requestMethod, maxName),
    statusCode: checker.number("statusCode", entry.statusCode, 999, true),
    traceId: checker.text("traceId", entry.traceId, maxName),
    spanPath: checker.text("spanPath", entry.spanPath, maxText),
    spanName: checker.text("spanName", entry.spanName, maxName),
    client: checker.text("client", entry.client, maxText),
    bytesIn: checker.count("bytesIn", entry.bytesIn),
    bytesOut: checker.count("bytesOut", entry.bytesOut),
    timeToFirstByte: checker.seconds("timeToFirstByte", entry.timeToFirstByte),
    estimatedInputTokens: checker.count("estimatedInputTokens", entry.estimatedInputTokens),
    bookings: bookingsOf(checker, entry.bookings)
  }
  for (const name in entry) if (!fields.has(name)) checker.changed.push(name)
  if (checker.changed.length === 0) return { entry, changed: [] }
  const isUnknown = ["inputTokens", "outputTokens"].some((name) => checker.changed.includes(name))
  const changed = [...new Set(checker.changed)]
  // A count that had to be changed is not what was billed.
  return { entry: isUnknown ? { ...made, usagePartial: true } : made, changed }
}
