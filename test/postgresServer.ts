/** One PostgreSQL server for all files of tests; each test makes a database of its own in it. */
import { Effect, Exit, Scope } from "effect"
import type { TestProject } from "vitest/node"
import { keepExitCode } from "./exitCode.ts"
import * as postgres from "./logging/postgres.ts"

declare module "vitest" {
  export interface ProvidedContext {
    readonly postgresUrl: string
  }
}

export const setup = async (project: TestProject): Promise<() => Promise<void>> => {
  keepExitCode()
  const scope = Effect.runSync(Scope.make())
  const { url } = await Effect.runPromise(Scope.extend(postgres.make, scope))
  project.provide("postgresUrl", url)
  return () => Effect.runPromise(Scope.close(scope, Exit.void))
}
