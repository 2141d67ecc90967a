/** Builds the programs that tests start, once: a process starts in a fraction of the time that sources take. */
import { build } from "esbuild"
import { copyFileSync, rmSync } from "node:fs"

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
    bundle: true,
    splitting: true,
    // With all that they load in few files. What is native or found at run time stays where it is.
    external: ["better-sqlite3", "pg-native", "@pydantic/genai-prices", "ajv", "ajv-formats"],
    banner: {
      js: `import { createRequire as requireOf } from "node:module"; const require = requireOf(import.meta.url)`
    },
    format: "esm",
    platform: "node",
    target: "node20",
    logLevel: "warning"
  })
  // The command reads its version beside its folder.
  copyFileSync("package.json", `${folder}/package.json`)
}
