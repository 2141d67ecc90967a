/** What is shipped in one piece: the command, and the entry for programs without Effect. */
import { build } from "esbuild"
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join, relative } from "node:path"
import { options } from "./bundling.mjs"

/** Who wrote what is in it, and under which terms. */
const licences = ({ outputs }) => {
  const folders = new Set(
    Object.values(outputs).flatMap(({ inputs }) => Object.entries(inputs)).flatMap(([path, { bytesInOutput }]) =>
      bytesInOutput === 0 ? [] : /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []
    )
  )
  return [...folders].sort().map((folder) => {
    const { license, name, version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"))
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry))
    const text = file === undefined ? `Licence: ${license}` : readFileSync(join(folder, file), "utf8").trim()
    return `${name} ${version}\n\n${text}\n`
  }).join(`\n${"-".repeat(80)}\n\n`)
}

const shipped = {
  minifySyntax: true,
  minifyWhitespace: true,
  allowOverwrite: true,
  metafile: true,
  outdir: "dist"
}

/** It carries what it needs, and runs where nothing but Node is installed. */
export const bundleCommand = async () => {
  const { metafile } = await build({
    ...options,
    ...shipped,
    entryPoints: { bin: "src/bin.ts" },
    chunkNames: "command/[name]-[hash]",
    banner: { js: options.banner.js }
  })
  // The modules it was made of are in it.
  rmSync("dist/cli", { recursive: true, force: true })
  for (const name of ["bin.d.ts", "bin.js.map"]) if (existsSync(`dist/${name}`)) rmSync(`dist/${name}`)
  writeFileSync("dist/command/LICENSES.txt", licences(metafile))
}

/** Loaded when it is needed, as it is in `dist` anyway. */
const onDemand = {
  name: "on-demand",
  setup: ({ onResolve }) =>
    onResolve(
      { filter: /^\./ },
      ({ kind, path, resolveDir }) =>
        kind === "dynamic-import" ? { path: `./${relative("dist", join(resolveDir, path))}`, external: true }
          : undefined
    )
}

/** Effect is in it, as far as it is used: a program starts in a fraction of the time that all its modules take. */
export const bundlePromise = async () => {
  const { metafile } = await build({
    ...shipped,
    bundle: true,
    format: "esm",
    platform: "neutral",
    target: options.target,
    entryPoints: { promise: "dist/promise.js" },
    external: ["ajv", "ajv-formats", "@aws-crypto/sha256-js", "@smithy/signature-v4"],
    plugins: [onDemand],
    // Imports of types alone are left in what was compiled.
    logOverride: { "ignored-bare-import": "silent" }
  })
  rmSync("dist/promise.js.map")
  writeFileSync("dist/promise.licenses.txt", licences(metafile))
}
