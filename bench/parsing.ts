/**
 * What reading a structured answer costs beside what one would write by hand: the incremental parser beside `JSON.parse`,
 * and an answer to an object beside `JSON.parse` and `Schema.decodeUnknown`. In one process, without a network.
 *
 *   npm run bench -- --only parsing
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { find } from "../src/internal/json/find.ts"
import { PartialJson } from "../src/internal/json/partialJson.ts"
import * as json from "../src/internal/json/values.ts"
import { codec } from "../src/internal/schema/codec.ts"
import * as dialect from "../src/internal/schema/dialect.ts"
import * as Output from "../src/Output.ts"
import { catalogue } from "./data.ts"
import { Catalogue } from "./effects.ts"

const median = (values: ReadonlyArray<number>): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0

const cpu = (work: () => void, times: number, rounds = 7): number => {
  const costs = Array.from({ length: rounds }, () => {
    const before = process.cpuUsage()
    for (let i = 0; i < times; i++) work()
    const { system, user } = process.cpuUsage(before)
    return (user + system) / times
  })
  return median(costs)
}

const list = (bytes: number): string => {
  const items: Array<unknown> = []
  for (let size = 0, i = 0; size < bytes; i++) {
    const item = { id: i, name: `item ${i}`, tags: ["a", "b"], price: i / 7, nested: { ok: true } }
    items.push(item)
    size += JSON.stringify(item).length + 1
  }
  return JSON.stringify({ items })
}

const grow = (text: string) => () => {
  const parser = new PartialJson()
  for (let at = 0; at < text.length; at += 1024) {
    parser.push(text.slice(at, at + 1024))
    parser.snapshot()
  }
}

const small = list(1_000_000)
const large = list(10_000_000)
const parsed = { small: cpu(() => JSON.parse(small), 5), large: cpu(() => JSON.parse(large), 1) }
const grown = { small: cpu(grow(small), 3), large: cpu(grow(large), 1, 5) }

const answer = JSON.stringify(catalogue)
const output = Output.object(Catalogue)
const strict = codec(output.format.schema, dialect.openAIStrict)
const decode = Schema.decodeUnknown(Catalogue)
const byHand = cpu(() => void Effect.runSync(decode(JSON.parse(answer))), 3000)
const ours = cpu(() => {
  const found = find(answer, json.isObject)
  if (found._tag === "Found" && strict !== undefined) {
    Effect.runSync(output.decode(strict.restore(found.value, found.candidate.includes("null"))))
  }
}, 3000)

const ratio = (value: number) => `${value.toFixed(2)}×`
console.log(`
| parsing | target | measured |
| --- | --- | --- |
| 10 MB in 1-KB pieces, beside 1 MB | ≤ 12× | ${ratio(grown.large / grown.small)} |
| 10 MB in 1-KB pieces, beside JSON.parse | ≤ 15× | ${ratio(grown.large / parsed.large)} |
| ${answer.length} characters to an object, beside JSON.parse and decodeUnknown | ≤ 1.5× | ${ratio(ours / byHand)} |`)
