/** The table of providers in the README, as its data says: `tsx scripts/providersTable.ts` prints it. */
import { pathToFileURL } from "node:url"
import * as Models from "../src/Models.ts"

const wires: Readonly<Record<Models.Row["wire"], string>> = {
  responses: "Responses",
  "chat-completions": "Chat Completions",
  messages: "Messages",
  "generate-content": "generateContent",
  cohere: "Chat v2",
  converse: "Converse"
}

const schemas: Readonly<Record<Models.Row["structured"], string>> = {
  native: "native",
  "json-mode": "JSON mode",
  tool: "tool",
  prompt: "prompt",
  "by model": "by model"
}

const keyOf = (row: Models.Row): string => {
  const variables = row.keyVariables.map((variable) => `\`${variable}\``).join(" or ")
  return variables === "" ? "none" : row.keyOptional ? `${variables}, if it has one` : variables
}

const header = ["Name", "Layer", "Key", "API", "Schema", "Web search"]

const cells: ReadonlyArray<ReadonlyArray<string>> = [
  header,
  ...Models.list().map((row) => [
    `\`${row.provider}\``,
    `\`${row.module}\``,
    keyOf(row),
    wires[row.wire],
    schemas[row.structured],
    row.webSearch
  ])
]

const widths = header.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)))

const line = (row: ReadonlyArray<string>): string =>
  `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`

/** As the formatter leaves it. */
export const table: string = [
  line(header),
  line(widths.map((width) => "-".repeat(width))),
  ...cells.slice(1).map(line)
].join("\n")

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) console.log(table)
