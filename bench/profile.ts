/** Where a profile's time went: the functions and the packages that took most of it themselves. */
import { readFileSync } from "node:fs"

interface Profile {
  readonly nodes: ReadonlyArray<{
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  }>
  readonly samples: ReadonlyArray<number>
  readonly timeDeltas: ReadonlyArray<number>
}

const shortened = (url: string) =>
  url.replace(/^.*\/node_modules\//, "").replace(/^file:.*\/(dist|\.tmp)\//, "$1/").replace("dist/esm/", "")

const packageOf = (url: string) =>
  url.includes("/node_modules/")
    ? (/.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? url)
    : url.includes("/dist/")
    ? "effect-majordomo"
    : url.startsWith("node:")
    ? "node"
    : url === ""
    ? "native"
    : "bench"

export const summary = (file: string): string => {
  const { nodes, samples, timeDeltas }: Profile = JSON.parse(readFileSync(file, "utf8"))
  const self = new Map<number, number>()
  samples.forEach((id, index) => self.set(id, (self.get(id) ?? 0) + (timeDeltas[index] ?? 0)))
  const functions = new Map<string, number>()
  const packages = new Map<string, number>()
  let busy = 0
  for (const { callFrame: { functionName, lineNumber, url }, id } of nodes) {
    if (functionName === "(idle)") continue
    const time = self.get(id) ?? 0
    const place = url === "" ? "" : ` ${shortened(url)}:${lineNumber + 1}`
    const name = `${functionName || "(anonymous)"}${place}`
    busy += time
    functions.set(name, (functions.get(name) ?? 0) + time)
    packages.set(packageOf(url), (packages.get(packageOf(url)) ?? 0) + time)
  }
  const top = (times: ReadonlyMap<string, number>, count: number) =>
    [...times].sort(([, a], [, b]) => b - a).slice(0, count)
      .map(([name, time]) => `${(100 * time / busy).toFixed(1).padStart(5)} %  ${name}`).join("\n")
  return `${Math.round(busy / 1000)} ms busy\n${top(packages, 8)}\n\n${top(functions, 30)}`
}
