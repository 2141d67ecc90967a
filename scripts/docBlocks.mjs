/**
 * The `ts` blocks of the documents and of the docstrings. A block becomes a file of its own, padded so that the line numbers
 * of messages are those of its source.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"

const fence = /^( *(?:\* )?)```ts( run)?\n([\s\S]*?)^ *(?:\* )?```$/gm

const filesIn = (directory, extension) =>
  existsSync(directory)
    ? readdirSync(directory, { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(extension))
      .map((name) => join(directory, name))
      .sort()
    : []

const written = (folder, source) => {
  const text = readFileSync(source, "utf8")
  return [...text.matchAll(fence)].map(({ 1: indent = "", 2: run, 3: body = "", index }) => {
    const line = text.slice(0, index).split("\n").length
    const code = body.split("\n").map((row) =>
      row.startsWith(indent) ? row.slice(indent.length) : row.trimStart().slice(1)
    )
    const file = join(folder, source, `${line}.ts`)
    mkdirSync(dirname(file), { recursive: true })
    // The last line makes a module of a block that neither imports nor exports.
    writeFileSync(file, `${"\n".repeat(line)}${code.join("\n")}\nexport {}\n`)
    return { source, file, runs: run !== undefined }
  })
}

/** Writes all blocks into a folder that is made anew: the file of each, where it stands, and whether it is to be run. */
export const blocksIn = (folder) => {
  rmSync(folder, { recursive: true, force: true })
  const sources = ["README.md", ...filesIn("docs", ".md"), ...filesIn("src", ".ts")]
  const blocks = sources.flatMap((source) => written(folder, source))
  if (blocks.length === 0) throw new Error("there is no example in any document: the pattern that finds them is wrong")
  return blocks
}

/** Messages about such a file, as of its source: `.tmp/docs/README.md/12.ts(15,3)` → `README.md(15,3)`. */
export const located = (folder, text) =>
  text.replace(new RegExp(`[^\\s()]*${folder.replaceAll(".", "\\.")}/(\\S+?)/\\d+\\.ts(?=[(:])`, "g"), "$1")
