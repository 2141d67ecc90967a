/**
 * The order of the files. Those that wait for processes, servers and clocks come first: what `npm test` runs beside the tests
 * takes the processors meanwhile. Of the others the longest come first, so that none is left to one process alone at the end.
 */
import { BaseSequencer, type TestSpecification } from "vitest/node"

const waiting = [
  "gateway/crash",
  "logging/crash",
  "logging/outage",
  "gateway/replicas",
  "gateway/limits/redis",
  "logging/sql",
  "gateway/hanging",
  "cli/reports",
  "cascade/load",
  "faults",
  "logging/CostReport",
  "gateway/settings",
  "cli/chat",
  "cli/gateway"
]

const long = [
  "gateway/unified",
  "cascade/model",
  "matrix",
  "streams",
  "gateway/security",
  "structured/codec",
  "logging/pipeline",
  "many",
  "gateway/limits/arithmetic",
  "gateway/relay"
]

const first = [...waiting, ...long].map((name) => `/test/${name}.test.ts`)

const placeOf = ({ moduleId }: TestSpecification): number => {
  const place = first.findIndex((name) => moduleId.endsWith(name))
  return place === -1 ? first.length : place
}

export class WaitingFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>): Promise<Array<TestSpecification>> {
    return (await super.sort(files)).sort((a, b) => placeOf(a) - placeOf(b))
  }
}
