/** What a database says, as the two things the writer must know: try again, or give up on a row. */
import * as Predicate from "effect/Predicate"
import { RequestLogError } from "../../RequestLog.ts"

/** Of a value or a constraint: a row that will never be taken. */
const rejects = {
  // Classes 22 (data exception) and 23 (constraint violation); PostgreSQL's appendix A.
  postgres: /^2[23]/,
  // SQLite's result codes.
  sqlite: /^SQLITE_(CONSTRAINT|MISMATCH|TOOBIG|RANGE)/
}

export type Sink = keyof typeof rejects

export const toLogError = (sink: Sink) => (failure: unknown): RequestLogError => {
  const { code, message } = innermost(failure)
  return new RequestLogError({
    sink,
    reason: code !== undefined && rejects[sink].test(code) ? "Rejected" : "Unavailable",
    description: code === undefined ? message : `${message} (${code})`
  })
}

/** Password, database, rights, address: a server that cannot be reached says none of these. */
const misconfigured = /^(28|3D|42|ERR_)/

/** Of connecting: `Rejected` when waiting will not help. */
export const toConnectError = (failure: unknown): RequestLogError => {
  const { description, sink } = toLogError("postgres")(failure)
  const { code } = innermost(failure)
  return new RequestLogError({
    sink,
    reason: code !== undefined && misconfigured.test(code) ? "Rejected" : "Unavailable",
    description
  })
}

const maxMessage = 300

/** The driver's own error: those around it only say that something failed. */
const innermost = (failure: unknown): { readonly code: string | undefined; readonly message: string } => {
  let found: { readonly code: string | undefined; readonly message: string } = { code: undefined, message: "failed" }
  let next: unknown = failure
  for (let depth = 0; depth < 5 && next instanceof Error; depth++) {
    const code = Predicate.hasProperty(next, "code") && typeof next.code === "string" ? next.code : found.code
    found = { code, message: next.message === "" ? found.message : next.message.slice(0, maxMessage) }
    next = next.cause
  }
  return found
}
