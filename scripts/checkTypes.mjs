/**
 * Types of everything, and Effect's own diagnostics of `src`, in one program: a warning fails as an error does. Two commands
 * would each read and check all of it, and Effect's reads it anew for every fifty files.
 */
import { createRequire } from "node:module"
import { relative, sep } from "node:path"
import ts from "typescript"

const require = createRequire(import.meta.url)
const effectLanguageService = require("@effect/language-service/index.js")

const { config, error } = ts.readConfigFile("tsconfig.json", ts.sys.readFile)
if (error !== undefined) fail([error])
const parsed = ts.parseJsonConfigFileContent(config, ts.sys, process.cwd())
if (parsed.errors.length > 0) fail(parsed.errors)

const host = {
  ...ts.sys,
  useCaseSensitiveFileNames: () => ts.sys.useCaseSensitiveFileNames,
  getCompilationSettings: () => parsed.options,
  getCurrentDirectory: () => process.cwd(),
  getDefaultLibFileName: ts.getDefaultLibFilePath,
  getScriptFileNames: () => parsed.fileNames,
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
const found = service.getCompilerOptionsDiagnostics()
for (const name of parsed.fileNames) {
  found.push(
    ...service.getSyntacticDiagnostics(name),
    ...(isOurs(name) ? withEffect : service).getSemanticDiagnostics(name)
  )
}
const { Error: wrong, Warning: doubtful } = ts.DiagnosticCategory
const failures = found.filter(({ category }) => category === wrong || category === doubtful)
if (failures.length > 0) fail(failures)
console.log(
  `${parsed.fileNames.length} files, ${
    parsed.fileNames.filter(isOurs).length
  } of them looked at by Effect's diagnostics, too`
)

function fail(diagnostics) {
  const here = {
    getCanonicalFileName: (name) => name,
    getCurrentDirectory: () => process.cwd(),
    getNewLine: () => "\n"
  }
  console.error(ts.formatDiagnosticsWithColorAndContext(diagnostics, here))
  process.exit(1)
}
