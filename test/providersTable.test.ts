import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { table } from "../scripts/providersTable.ts"
import * as Models from "../src/Models.ts"

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8")
const between = /<!-- providers -->\n([\s\S]*?)<!-- \/providers -->/.exec(readme)?.[1]

/** Widths are the formatter's business. */
const plain = (text: string): string => text.trim().replace(/ +/g, " ").replace(/-{3,}/g, "---")

describe("The table of providers", () => {
  it("has a line for each", () => {
    const lines = table.split("\n")
    assert.strictEqual(lines.length, Models.list().length + 2)
    assert.include(table, "| `anthropic`      | `Anthropic`")
    for (const line of lines) assert.strictEqual(line.length, lines[0]?.length)
  })

  it("is the one in the README", () => {
    assert.strictEqual(plain(between ?? ""), plain(table), "run `npx tsx scripts/providersTable.ts` and paste")
  })
})
