/** Builds the programs that tests start, once: a process starts in a fraction of the time that sources take. */
import { build } from "esbuild"
import { copyFileSync, rmSync } from "node:fs"
import { options } from "../scripts/bundling.mjs"

const folder = ".tmp/programs"

export const setup = async (): Promise<void> => {
  rmSync(folder, { recursive: true, force: true })
  await build({
    entryPoints: {
      "src/bin": "src/bin.ts",
      "test/logging/child": "test/logging/child.ts",
      "test/logging/mixedChild": "test/logging/mixedChild.ts"
    },
    outdir: folder,
    ...options
  })
  // The command reads its version beside its folder.
  copyFileSync("package.json", `${folder}/package.json`)
}
