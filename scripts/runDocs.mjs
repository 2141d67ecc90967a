/** Runs the blocks of the documents that are marked `ts run`. The types of all of them are checked with the sources'. */
import { spawnSync } from "node:child_process"
import { blocksIn, located } from "./docBlocks.mjs"

const folder = ".tmp/docs-run"
const blocks = blocksIn(folder)
const running = blocks.filter(({ runs }) => runs)

for (const { file, source } of running) {
  const { status, stderr, stdout } = spawnSync("node_modules/.bin/tsx", [file], { encoding: "utf8" })
  if (status === 0) continue
  process.exitCode = 1
  console.log(`${source}: a block that runs failed\n${located(folder, stdout + stderr)}`)
}
console.log(
  `${running.length} of ${blocks.length} examples in ${new Set(blocks.map(({ source }) => source)).size} files run`
)
if (running.length === 0) process.exitCode = 1
