/**
 * src to dist: one file per module, with declarations, and calls marked pure so that bundlers can drop them; the command and
 * the entry for programs without Effect in one piece each.
 */
import { transformFileAsync } from "@babel/core"
import { execFileSync } from "node:child_process"
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"
import { bundleCommand, bundlePromise } from "./bundle.mjs"
import { compiler } from "./compiler.mjs"

rmSync("dist", { recursive: true, force: true })
execFileSync(compiler, ["-p", "tsconfig.build.json", "--checkers", "1"], { stdio: "inherit" })

for (const name of readdirSync("dist", { recursive: true })) {
  const file = join("dist", name)
  if (name.endsWith(".d.ts")) {
    // The compiler rewrites import paths in code only.
    const declarations = readFileSync(file, "utf8")
    writeFileSync(file, declarations.replace(/((?:from|import) |import\()"(\.[^"]*)\.ts"/g, "$1\"$2.js\""))
  }
  if (!name.endsWith(".js")) continue
  const { code, map } = await transformFileAsync(file, {
    babelrc: false,
    configFile: false,
    compact: false,
    plugins: ["annotate-pure-calls"],
    inputSourceMap: true,
    sourceMaps: true
  })
  writeFileSync(file, `${code}\n//# sourceMappingURL=${basename(file)}.map\n`)
  writeFileSync(`${file}.map`, JSON.stringify(map))
}

await bundlePromise()
await bundleCommand()

// What editors know of the gateway's configuration.
const { jsonSchema } = await import("../dist/gateway/GatewayConfig.js")
writeFileSync("dist/majordomo.schema.json", `${JSON.stringify(jsonSchema(), null, 2)}\n`)
