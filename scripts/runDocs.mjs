/** Runs the blocks of the documents that are marked `ts run`. The types of all of them are checked with the sources'. */
import { build } from "esbuild"
import { spawnSync } from "node:child_process"
import { relative } from "node:path"
import { options } from "./bundling.mjs"
import { blocksIn, located } from "./docBlocks.mjs"

const folder = ".tmp/docs-run"
const blocks = blocksIn(folder)
const running = blocks.filter(({ runs }) => runs)

// A program of few files starts in a fraction of the time that sources take.
const bundled = `${folder}-bundled`
await build({
  ...options,
  entryPoints: running.map(({ file }) => file),
  outbase: folder,
  outdir: bundled,
  sourcemap: true
})

for (const { file, source } of running) {
  const program = `${bundled}/${relative(folder, file).replace(/\.ts$/, ".js")}`
  const { status, stderr, stdout } = spawnSync(process.execPath, ["--enable-source-maps", program], {
    encoding: "utf8"
  })
  if (status === 0) continue
  process.exitCode = 1
  console.log(`${source}: a block that runs failed\n${located(folder, stdout + stderr)}`)
}
console.log(
  `${running.length} of ${blocks.length} examples in ${new Set(blocks.map(({ source }) => source)).size} files run`
)
if (running.length === 0) process.exitCode = 1
