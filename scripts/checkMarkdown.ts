/**
 * Compiles every `ts` block of the documents and of the docstrings, and runs those marked `ts run`. A block becomes a
 * file of its own, padded so that the line numbers of messages are those of its source.
 */
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"

interface Block {
  readonly source: string
  readonly file: string
  readonly run: boolean
}

const folder = ".tmp/docs"
const fence = /^( *(?:\* )?)```ts( run)?\n([\s\S]*?)^ *(?:\* )?```$/gm

const blocksOf = (source: string): ReadonlyArray<Block> => {
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
    return { source, file, run: run !== undefined }
  })
}

const filesIn = (directory: string, extension: string): ReadonlyArray<string> =>
  existsSync(directory)
    ? readdirSync(directory, { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(extension))
      .map((name) => join(directory, name))
      .sort()
    : []

const run = (command: string, args: ReadonlyArray<string>) =>
  spawnSync(join("node_modules/.bin", command), args, { encoding: "utf8" })

/** `.tmp/docs/README.md/12.ts(15,3)` → `README.md(15,3)`. */
const located = (output: string) => output.replace(/[^\s()]*\.tmp\/docs\/(\S+?)\/\d+\.ts(?=[(:])/g, "$1")

rmSync(folder, { recursive: true, force: true })
const sources = [
  ...["README.md"].filter((name) => existsSync(name)),
  ...filesIn("docs", ".md"),
  ...filesIn("src", ".ts")
]
const blocks = sources.flatMap(blocksOf)

writeFileSync(
  join(folder, "tsconfig.json"),
  JSON.stringify({
    extends: "../../tsconfig.json",
    // An example may declare a value only to show how it is made.
    compilerOptions: { noUnusedLocals: false, noUnusedParameters: false },
    include: ["."]
  })
)
const types = run("tsc", ["-p", folder])
console.log(located(types.stdout))
let failed = types.status !== 0

for (const { file, run: runs, source } of blocks) {
  if (!runs) continue
  const { status, stderr, stdout } = run("tsx", [file])
  if (status === 0) continue
  failed = true
  console.log(`${source}: a block that runs failed\n${located(stdout + stderr)}`)
}

const runnable = blocks.filter((block) => block.run).length
console.log(
  `${blocks.length} examples in ${new Set(blocks.map(({ source }) => source)).size} files, ${runnable} of them run`
)
process.exitCode = failed || blocks.length === 0 ? 1 : 0
