/** The command as it is shipped: it carries what it needs, and runs where nothing but Node is installed. */
import { build } from "esbuild"
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { options } from "./bundling.mjs"

/** Who wrote what is in it, and under which terms. */
const licences = ({ inputs }) => {
  const folders = new Set(
    Object.keys(inputs).flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? [])
  )
  return [...folders].sort().map((folder) => {
    const { license, name, version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"))
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry))
    const text = file === undefined ? `Licence: ${license}` : readFileSync(join(folder, file), "utf8").trim()
    return `${name} ${version}\n\n${text}\n`
  }).join(`\n${"-".repeat(80)}\n\n`)
}

export const bundleCommand = async () => {
  const { metafile } = await build({
    ...options,
    entryPoints: { bin: "src/bin.ts" },
    outdir: "dist",
    chunkNames: "command/[name]-[hash]",
    banner: { js: options.banner.js },
    minifySyntax: true,
    minifyWhitespace: true,
    allowOverwrite: true,
    metafile: true
  })
  // The modules it was made of are in it.
  rmSync("dist/cli", { recursive: true, force: true })
  for (const name of ["bin.d.ts", "bin.js.map"]) if (existsSync(`dist/${name}`)) rmSync(`dist/${name}`)
  writeFileSync("dist/command/LICENSES.txt", licences(metafile))
}
