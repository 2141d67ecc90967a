/**
 * What a user gets: packs the built package, looks at its entries, installs it alone in an empty folder, and there compiles and
 * runs the first examples of the README, looks at what an import loads, and at what a bundler keeps.
 */
import { build } from "esbuild"
import assert from "node:assert/strict"
import { execFileSync } from "node:child_process"
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import ts from "typescript"

const { name } = JSON.parse(readFileSync("package.json", "utf8"))
const folder = mkdtempSync(join(tmpdir(), `${name}-`))
const inFolder = (command, args, options) =>
  execFileSync(command, args, { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"], ...options })
const file = (path, content) => writeFileSync(join(folder, path), content)

const readme = existsSync("README.md") ? readFileSync("README.md", "utf8") : ""
const snippetAfter = (fence) => readme.split(`\n${fence}\n`)[1]?.split("\n```\n")[0]
/** The first program of the manual, and the first that runs as it is. */
const snippet = snippetAfter("```ts")
const runnable = snippetAfter("```ts run")

let packed = ""

const pack = () => {
  const [{ filename, files }] = JSON.parse(
    execFileSync("npm", ["pack", "--json", "--ignore-scripts", "--loglevel=error", "--pack-destination", folder], {
      encoding: "utf8"
    })
  )
  for (const needed of ["dist/index.js", "dist/index.d.ts", "src/index.ts", "README.md", "LICENSE", "package.json"]) {
    assert(files.some(({ path }) => path === needed), `${needed} is not in the package`)
  }
  packed = join(folder, filename)
}

const entries = () => {
  for (const [tool, ...args] of [["publint", "--strict", packed], ["attw", packed, "--profile", "esm-only"]]) {
    execFileSync(join("node_modules/.bin", tool), args, { stdio: "inherit" })
  }
}

const install = () => {
  file("package.json", JSON.stringify({ private: true, type: "module" }))
  // The database's driver would be compiled where there is no network.
  const options = ["--omit=optional", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"]
  inFolder("npm", ["install", ...options, packed], { stdio: ["ignore", "ignore", "inherit"] })
}

/** With the compiler that users may still have. Of what is installed only our declarations are looked at. */
const compile = () => {
  file("example.ts", snippet)
  file("runnable.ts", runnable)
  // This folder has no Node types; ours must not ask for them.
  file("types.ts", `export * from "${name}"\n`)
  const counts = [["NodeNext", "NodeNext"], ["ESNext", "Bundler"]].map(([module, resolution]) => {
    const program = ts.createProgram(["example.ts", "runnable.ts", "types.ts"].map((path) => join(folder, path)), {
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
      target: ts.ScriptTarget.ES2022,
      lib: ["lib.es2022.d.ts", "lib.dom.d.ts"],
      typeRoots: [join(folder, "node_modules/@types")],
      module: ts.ModuleKind[module],
      moduleResolution: ts.ModuleResolutionKind[resolution]
    })
    const isOurs = ({ fileName }) => !fileName.includes("/node_modules/") || fileName.includes(`/node_modules/${name}/`)
    const ours = program.getSourceFiles().filter(isOurs)
    const wrong = [
      ...program.getConfigFileParsingDiagnostics(),
      ...program.getOptionsDiagnostics(),
      ...program.getGlobalDiagnostics(),
      ...ours.flatMap((source) => [
        ...program.getSyntacticDiagnostics(source),
        ...program.getSemanticDiagnostics(source)
      ])
    ]
    const messages = ts.formatDiagnostics(wrong, {
      getCanonicalFileName: (path) => path,
      getCurrentDirectory: () => folder,
      getNewLine: () => "\n"
    })
    assert.equal(wrong.length, 0, `what users write does not compile under ${resolution}:\n${messages}`)
    assert(ours.length > 50, `only ${ours.length} files were compiled`)
    return ours.length
  })
  return `TypeScript ${ts.version}, ${counts.join(" and ")} files`
}

const attempt = (f) => {
  try {
    f()
    return undefined
  } catch (error) {
    return error
  }
}

const runExample = async () => {
  const { outputFiles } = await build({ stdin: { contents: runnable, loader: "ts" }, write: false, format: "esm" })
  file("example.mjs", outputFiles[0].text)
  console.log(inFolder(process.execPath, ["example.mjs"]))
}

/** The core runs in browsers: an import of it may load neither Node's modules nor a driver. */
const importsNothing = () => {
  file(
    "hooks.mjs",
    `import { appendFileSync } from "node:fs"
export const resolve = async (specifier, context, next) => {
  const found = await next(specifier, context)
  if (context.parentURL?.includes("/node_modules/")) {
    appendFileSync("loaded.txt", JSON.stringify({ specifier, from: context.parentURL, url: found.url }) + "\\n")
  }
  return found
}
`
  )
  file("register.mjs", `import { register } from "node:module"\nregister("./hooks.mjs", import.meta.url)\n`)
  file("import.mjs", `import "${name}"\n`)
  inFolder(process.execPath, ["--import", "./register.mjs", "import.mjs"])
  const loaded = readFileSync(join(folder, "loaded.txt"), "utf8").trim().split("\n").map((line) => JSON.parse(line))
  const packageOf = (url) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1]
  const builtin = loaded.filter(({ url }) => url.startsWith("node:"))
  assert.equal(builtin.length, 0, `importing ${name} loads Node's modules: ${JSON.stringify(builtin, null, 1)}`)
  const packages = [...new Set(loaded.map(({ url }) => packageOf(url)))].sort()
  const wanted = /^(effect|@effect\/platform|find-my-way-ts|multipasta|fast-check|pure-rand)$/
  const drivers = packages.filter((loadedPackage) => loadedPackage !== name && !wanted.test(loadedPackage))
  assert.deepEqual(drivers, [], `importing ${name} loads ${drivers}`)
  return `${loaded.length} imports of ${packages.join(", ")}`
}

/** A program pays for the provider it names. */
const treeShakes = async () => {
  const { metafile } = await build({
    stdin: {
      contents: `import { LLM, Anthropic } from "${name}"
console.log(LLM.generateText({ prompt: "Hi" }), Anthropic.layer({ model: "claude-sonnet-5" }))`,
      resolveDir: folder
    },
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    // Loaded on demand: each is a file of its own.
    external: ["ajv", "ajv/*", "ajv-formats"],
    write: false,
    metafile: true
  })
  const [{ bytes, inputs }] = Object.values(metafile.outputs)
  const kept = Object.entries(inputs)
    .filter(([path, { bytesInOutput }]) => bytesInOutput > 0 && path.includes(`/${name}/dist/`))
    .map(([path]) => path.slice(path.indexOf("/dist/") + 6))
  const needed = new Set([
    "providers/Anthropic.js",
    "internal/wires/messages/answer.js",
    "internal/wires/messages/request.js"
  ])
  const others = kept.filter((path) =>
    /^(providers\/(?!internal\/)|internal\/wires\/[^/]+\/|testing|gateway|logging|adapters)/.test(path) &&
    !needed.has(path)
  )
  assert.deepEqual(others, [], `a program with Anthropic alone also bundles ${others}`)
  return `${kept.length} of our modules, ${Math.round(bytes / 1024)} KiB with Effect, minified`
}

const blocked = () => {
  for (const path of ["internal/http/client", "internal/wires/chat-completions/answer", "index"]) {
    const error = attempt(() => inFolder(process.execPath, ["-e", `import("${name}/${path}")`], { stdio: "ignore" }))
    assert(error !== undefined, `${name}/${path} can be imported`)
  }
}

/** The entry for programs without Effect carries Effect: it runs where nothing else is installed. */
const promiseRunsAlone = () => {
  const alone = join(folder, "alone")
  cpSync(join(folder, "node_modules", name), join(alone, "node_modules", name), { recursive: true })
  const program = (more) =>
    `import { createServer } from "node:http"
import { createLLM, ProviderError } from "${name}/promise"
${more.imports ?? ""}
const answer = { model: "gpt-4.1", choices: [{ message: { role: "assistant", content: '{"n":1}' }, finish_reason: "stop" }],
  usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } }
const server = createServer((request, response) => {
  request.resume().on("end", () => {
    response.writeHead(request.url.startsWith("/wrong") ? 401 : 200, { "content-type": "application/json" })
    response.end(JSON.stringify(answer))
  })
}).listen(0, "127.0.0.1", async () => {
  const made = (path, more) => createLLM({ models: ["openai-chat/gpt-4.1"], apiKeys: { "openai-chat": "sk-test" },
    options: { baseUrl: "http://127.0.0.1:" + server.address().port + path }, ...more })
  const llm = made("", ${more.options ?? "{}"})
  const { content, cost } = await llm.generateJson({ prompt: "Hi" })
  const error = await made("/wrong").generateText({ prompt: "Hi" }).catch((error) => error)
  ${more.last ?? ""}
  await llm.close()
  server.close()
  console.log(content.n, cost.total > 0, error instanceof ProviderError, error._tag)
})
`
  writeFileSync(join(alone, "program.mjs"), program({}))
  const expected = "1 true true ProviderError\n"
  assert.equal(inFolder(process.execPath, ["program.mjs"], { cwd: alone }), expected)
  // Beside the other modules: their layers and schemas, made with another copy of Effect, are taken.
  file(
    "beside.mjs",
    program({
      imports: `import { LLMError, RequestLog } from "${name}"\nimport { Schema } from "effect"`,
      options: "{ log: RequestLog.layerMemory }",
      last: `const schema = Schema.Struct({ n: Schema.Positive })
  const object = await llm.generateObject({ prompt: "Hi", schema })
  if (object.content.n !== 1) throw new Error("no object")
  if (error instanceof LLMError.ProviderError || !LLMError.isLLMError(error)) throw new Error("not as it is documented")`
    })
  )
  assert.equal(inFolder(process.execPath, ["beside.mjs"]), expected)
  assert.match(readFileSync(join(alone, "node_modules", name, "dist/promise.licenses.txt"), "utf8"), /^effect 3\./m)
}

/** The command carries what it needs; what only a machine can build is asked for by name. */
const commandRunsAlone = () => {
  for (const bin of ["majordomo", name]) {
    const command = join(folder, "node_modules/.bin", bin)
    assert.match(inFolder(command, ["--version"]), /^\d+\.\d+\.\d+\n$/)
    assert.match(inFolder(command, ["gateway", "--check"]), /in order/)
  }
  const { status, stderr } =
    attempt(() => inFolder(join(folder, "node_modules/.bin", name), ["gateway"], { stdio: "pipe" })) ?? {}
  assert.equal(status, 1, "the gateway runs without a database")
  assert.match(stderr, /better-sqlite3 is missing: npm install better-sqlite3, or name a PostgreSQL database/)
}

const steps = {
  "packs what is needed": pack,
  "entries are found, and what they say is so": entries,
  "installs alone": install,
  "first README examples compile": compile,
  "first README example runs": runExample,
  "importing the root loads no driver": importsNothing,
  "internal modules are closed": blocked,
  "the command runs alone": commandRunsAlone,
  "the entry without Effect runs alone": promiseRunsAlone,
  "bundles one provider": treeShakes
}
try {
  for (const [title, step] of Object.entries(steps)) {
    const detail = await step()
    console.log(`ok  ${title}${detail === undefined ? "" : `: ${detail}`}`)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
