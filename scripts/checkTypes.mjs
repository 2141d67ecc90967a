/**
 * Types of everything, the examples in documents and docstrings included, and Effect's own diagnostics of `src`: a warning
 * fails as an error does.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join, relative, resolve, sep } from "node:path"
import { diagnose, filesOf } from "./compiler.mjs"
import { blocksIn, located } from "./docBlocks.mjs"

const folder = ".tmp/types"
rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })

const docs = ".tmp/docs"
const examples = new Set(blocksIn(docs).map(({ file }) => resolve(file)))
const files = filesOf("tsconfig.json").map((file) => resolve(file))
const ours = files.filter((file) => relative(process.cwd(), file).startsWith(`src${sep}`))

/** What is found in exactly these files, under options that differ from those of the project. */
const found = (name, wanted, compilerOptions) => {
  const project = join(folder, `${name}.json`)
  writeFileSync(
    project,
    JSON.stringify({ extends: "../../tsconfig.json", compilerOptions, include: [], files: wanted })
  )
  const { files: looked, findings } = diagnose(project)
  const missed = wanted.filter((file) => !looked.has(file))
  if (wanted.length === 0 || missed.length > 0) throw new Error(`the compiler has not looked at ${missed}`)
  return findings.filter(({ category }) => category === "error" || category === "warning")
}

const plugin = "@effect/language-service"
// An example may declare a value, or import a module, only to show how it is done.
const unused = new Set(["6133", "6138", "6192", "6196", "6198", "6199", "6205"])
const types = found("all", [...files, ...examples], { plugins: [{ name: plugin, diagnostics: false }] })
  .filter(({ code, file }) => !(unused.has(code) && examples.has(resolve(file ?? ""))))

// To an ES module under Node's resolution a module of Effect is one of CommonJS, seen through a wrapper: its functions are not
// recognised there, and nothing is found. That something is found is seen from a program that is wrong.
const probe = resolve(folder, "probe.ts")
writeFileSync(
  probe,
  `import * as Effect from "effect/Effect"
export const never = Effect.gen(function*() {
  yield* Effect.never
})
`
)
const isOfProbe = ({ file }) => file !== undefined && resolve(file) === probe
const style = found("effect", [...ours, probe], { module: "preserve", moduleResolution: "bundler" })
  .filter(({ text }) => /\beffect\(\w+\)/.test(text))
if (!style.some(isOfProbe)) throw new Error("Effect's diagnostics do not find what is wrong")

const failures = [...types, ...style.filter((finding) => !isOfProbe(finding))]
if (failures.length > 0) {
  console.error(located(docs, failures.map(({ text }) => text).join("\n")))
  process.exit(1)
}
console.log(
  `${files.length} files, ${ours.length} of them looked at by Effect's diagnostics, too; ${examples.size} examples of the documents`
)
