/**
 * Types of everything, the examples in documents and docstrings included, and Effect's own diagnostics of `src`, in one
 * program: a warning fails as an error does. Commands of their own would each read and check all of it, and Effect's reads it
 * anew for every fifty files.
 */
import { createRequire } from "node:module"
import { relative, resolve, sep } from "node:path"
import ts from "typescript"
import { blocksIn, located } from "./docBlocks.mjs"

const require = createRequire(import.meta.url)
const effectLanguageService = require("@effect/language-service/index.js")

const { config, error } = ts.readConfigFile("tsconfig.json", ts.sys.readFile)
if (error !== undefined) fail([error])
const parsed = ts.parseJsonConfigFileContent(config, ts.sys, process.cwd())
if (parsed.errors.length > 0) fail(parsed.errors)

const docs = ".tmp/docs"
const examples = new Set(blocksIn(docs).map(({ file }) => resolve(file)))
const files = [...parsed.fileNames, ...examples]

const host = {
  ...ts.sys,
  useCaseSensitiveFileNames: () => ts.sys.useCaseSensitiveFileNames,
  getCompilationSettings: () => parsed.options,
  getCurrentDirectory: () => process.cwd(),
  getDefaultLibFileName: ts.getDefaultLibFilePath,
  getScriptFileNames: () => files,
  getScriptVersion: () => "1",
  getScriptSnapshot: (name) => {
    const text = ts.sys.readFile(name)
    return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text)
  }
}
const service = ts.createLanguageService(host)
const withEffect = effectLanguageService({ typescript: ts }).create({
  languageService: service,
  languageServiceHost: host,
  config: config.compilerOptions.plugins.find(({ name }) => name === "@effect/language-service"),
  project: { log: () => {} }
})

const isOurs = (name) => relative(process.cwd(), name).startsWith(`src${sep}`)
// An example may declare a value, or import a module, only to show how it is done.
const isUnused = ({ reportsUnnecessary }) => reportsUnnecessary !== undefined
const found = service.getCompilerOptionsDiagnostics()
for (const name of files) {
  const wrong = [
    ...service.getSyntacticDiagnostics(name),
    ...(isOurs(name) ? withEffect : service).getSemanticDiagnostics(name)
  ]
  found.push(...(examples.has(name) ? wrong.filter((diagnostic) => !isUnused(diagnostic)) : wrong))
}
const { Error: wrong, Warning: doubtful } = ts.DiagnosticCategory
const failures = found.filter(({ category }) => category === wrong || category === doubtful)
if (failures.length > 0) fail(failures)
console.log(
  `${parsed.fileNames.length} files, ${
    parsed.fileNames.filter(isOurs).length
  } of them looked at by Effect's diagnostics, too; ${examples.size} examples of the documents`
)

function fail(diagnostics) {
  const here = {
    getCanonicalFileName: (name) => name,
    getCurrentDirectory: () => process.cwd(),
    getNewLine: () => "\n"
  }
  console.error(located(docs, ts.formatDiagnostics(diagnostics, here)))
  process.exit(1)
}
