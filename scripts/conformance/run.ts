/** Replays recorded provider traffic through the library: `npm run conformance -- DIR [--split whole|events|bytes] [--gateway]`. */
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"
import { load, serve, type Split, splits } from "./cases.ts"
import { check } from "./check.ts"
import * as gateway from "./gateway.ts"

const args = process.argv.slice(2)
const only = args.includes("--split") ? args[args.indexOf("--split") + 1] : undefined
const directory = args.find((arg, i) => !arg.startsWith("--") && args[i - 1] !== "--split")
const modes: ReadonlyArray<Split> = splits.filter((split) => only === undefined || split === only)

const program = Effect.gen(function*() {
  if (directory === undefined || modes.length === 0) {
    yield* Console.error("usage: npm run conformance -- DIR [--split whole|events|bytes] [--gateway]")
    return 2
  }
  const cases = load(directory)
  const server = yield* Effect.acquireRelease(
    Effect.promise(() => serve(cases)),
    (running) => Effect.promise(() => running.close())
  )
  const jobs = modes.flatMap((split) => cases.map((item) => ({ item, split })))
  const results = args.includes("--gateway") ? yield* gateway.check(cases, modes, server) :
    yield* Effect.forEach(jobs, ({ item, split }) =>
      Effect.map(
        Effect.catchAllDefect(check(item, server.url(item, split)), (defect) =>
          Effect.succeed([`defect: ${String(defect)}`])),
        (problems) => ({ item, split, problems })
      ), { concurrency: 8 })
  const failed = results.filter(({ problems }) => problems.length > 0)
  for (const { item, problems, split } of failed) {
    yield* Console.log(`FAIL ${item.id} (${split}): ${problems.join("; ")}`)
  }
  yield* Console.log(`${results.length - failed.length} passed, ${failed.length} failed`)
  return failed.length === 0 && results.length > 0 ? 0 : 1
})

program.pipe(
  Effect.scoped,
  Effect.provide(NodeHttpClient.layerUndici),
  Effect.flatMap((code) => Effect.sync(() => process.exitCode = code)),
  NodeRuntime.runMain
)
