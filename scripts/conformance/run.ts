/**
 * Replays recorded provider traffic through the library: `npm run conformance -- DIR [--split whole|events|bytes]`; with
 * `--gateway` through a gateway that passes it on, with `--client chat|responses|messages|gemini|all` through one that
 * translates it for such a client.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"
import * as UndiciHttpClient from "../../src/UndiciHttpClient.ts"
import { load, serve, type Split, splits } from "./cases.ts"
import { check } from "./check.ts"
import * as clients from "./clients.ts"
import * as gateway from "./gateway.ts"

const args = process.argv.slice(2)
const option = (name: string) => args.includes(name) ? args[args.indexOf(name) + 1] ?? "" : undefined
const only = option("--split")
const client = option("--client")
const directory = args.find((arg, i) => !arg.startsWith("--") && !/^--(split|client)$/.test(args[i - 1] ?? ""))
const modes: ReadonlyArray<Split> = splits.filter((split) => only === undefined || split === only)

const program = Effect.gen(function*() {
  const names = client === undefined ? [] : clients.clientsOf(client)
  if (directory === undefined || modes.length === 0 || (client !== undefined && names.length === 0)) {
    yield* Console.error(
      "usage: npm run conformance -- DIR [--split whole|events|bytes] [--gateway | --client chat|responses|messages|gemini|all]"
    )
    return 2
  }
  const cases = load(directory)
  const server = yield* Effect.acquireRelease(
    Effect.promise(() => serve(cases)),
    (running) => Effect.promise(() => running.close())
  )
  const jobs = modes.flatMap((split) => cases.map((item) => ({ item, split })))
  const results = names.length > 0
    ? yield* clients.check(cases, modes, server, names)
    : args.includes("--gateway")
    ? yield* gateway.check(cases, modes, server)
    : yield* Effect.forEach(jobs, ({ item, split }) =>
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
  Effect.provide(UndiciHttpClient.layer),
  Effect.flatMap((code) => Effect.sync(() => process.exitCode = code)),
  NodeRuntime.runMain
)
