/** TypeScript's native compiler, with Effect's diagnostics built in: a fraction of the time of the one in JavaScript. */
import { spawnSync } from "node:child_process"
import { createRequire } from "node:module"
import { dirname, isAbsolute, join, resolve } from "node:path"

const { arch, platform } = process
const host = createRequire(createRequire(import.meta.url).resolve("@effect/tsgo/package.json"))
const binaries = dirname(host.resolve(`@effect/tsgo-${platform}-${arch}/package.json`))
/** Its own `getExePath` wants TypeScript 7 beside it; here that is the version which users may still have. */
export const compiler = join(binaries, "lib", platform === "win32" ? "tsc.exe" : "tsc")

const located = /^(?<file>.+?)\(\d+,\d+\): (?<category>\w+) TS(?<code>\d+): /
const unlocated = /^(?<category>error|warning|suggestion|message) TS(?<code>\d+): /

/** What it says of a project, and the files that it has read. What is not understood is thrown. */
export const diagnose = (project) => {
  const { error, signal, status, stderr, stdout } = spawnSync(
    compiler,
    ["-p", project, "--noEmit", "--pretty", "false", "--listFiles", "--checkers", "1"],
    { encoding: "utf8", maxBuffer: 2 ** 28 }
  )
  if (error !== undefined) throw error
  const findings = []
  const files = new Set()
  const strange = []
  for (const line of stdout.split(/\r?\n/)) {
    const { groups } = located.exec(line) ?? unlocated.exec(line) ?? {}
    if (groups !== undefined) findings.push({ ...groups, text: line })
    else if (/^\s+\S/.test(line) && findings.length > 0) findings.at(-1).text += `\n${line}`
    else if (isAbsolute(line) || line.startsWith("bundled:///")) files.add(resolve(line))
    else if (line !== "") strange.push(line)
  }
  const ended = signal ?? status
  if (strange.length > 0 || stderr !== "" || !(ended === 0 || ((ended === 1 || ended === 2) && findings.length > 0))) {
    throw new Error(`the compiler ended with ${ended}:\n${stderr}${strange.join("\n")}`)
  }
  return { findings, files }
}

/** The files of a project, as it names them. */
export const filesOf = (project) =>
  JSON.parse(spawnSync(compiler, ["-p", project, "--showConfig"], { encoding: "utf8" }).stdout).files
