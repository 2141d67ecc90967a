/**
 * One PostgreSQL server for all files of tests; each test makes a database of its own in it. Whoever needs a server to stop
 * starts another from the same template.
 */
import { Effect, Exit, Scope } from "effect"
import type { TestProject } from "vitest/node"
import { keepExitCode } from "./exitCode.ts"
import * as postgres from "./logging/postgres.ts"

declare module "vitest" {
  export interface ProvidedContext {
    readonly postgresUrl: string
    readonly postgresTemplate: string
  }
}

export const setup = async (project: TestProject): Promise<() => Promise<void>> => {
  keepExitCode()
  const scope = Effect.runSync(Scope.make())
  const template = await Effect.runPromise(Scope.extend(postgres.template, scope))
  // A worker would come once a minute to each of a hundred databases that nobody uses any more.
  const { url } = await Effect.runPromise(Scope.extend(postgres.from(template, ["-c", "autovacuum=off"]), scope))
  project.provide("postgresUrl", url)
  project.provide("postgresTemplate", template)
  return () => Effect.runPromise(Scope.close(scope, Exit.void))
}
