/** The guide for frameworks, run: each of its programs against a gateway, and each message of its last section provoked. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { FakeProvider } from "effect-majordomo/testing"
import { build } from "esbuild"
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import * as Clients from "../../src/adapters/Clients.ts"
import { question, rowsOf, run, send } from "../gateway/running.ts"

const guide = readFileSync("docs/frameworks.md", "utf8")
const folder = ".tmp/guide"

/** The programs, by the heading each stands under. */
const programs = [...guide.matchAll(/```ts\n([\s\S]*?)```/g)].map(({ 1: code = "", index }) => ({
  heading: /## (.*)/.exec(guide.slice(guide.lastIndexOf("\n## ", index)))?.[1] ?? "",
  code
}))

const built = Effect.promise(async () => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  programs.forEach(({ code }, i) => writeFileSync(join(folder, `${i}.ts`), code))
  await build({
    entryPoints: programs.map((_, i) => join(folder, `${i}.ts`)),
    outdir: folder,
    bundle: true,
    format: "esm",
    platform: "node",
    packages: "external",
    alias: { "effect-majordomo": "./src" },
    logLevel: "error"
  })
  const modules = await Promise.all(programs.map((_, i) => import(pathToFileURL(join(folder, `${i}.js`)).href)))
  return modules.map((module): () => Promise<unknown> => module.main)
})

/** The environment of somebody who follows the guide. */
const environment = (variables: Readonly<Record<string, string | undefined>>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const before = Object.keys(variables).map((name) => [name, process.env[name]] as const)
      for (const [name, value] of Object.entries(variables)) set(name, value)
      return before
    }),
    (before) => Effect.sync(() => before.forEach(([name, value]) => set(name, value)))
  )

const set = (name: string, value: string | undefined) => {
  if (value === undefined) Reflect.deleteProperty(process.env, name)
  else process.env[name] = value
}

const running = Effect.gen(function*() {
  const fake = yield* FakeProvider.make()
  const gateway = yield* run({
    providers: { openai: { baseUrl: fake.url }, anthropic: { baseUrl: fake.url }, gemini: { baseUrl: fake.url } }
  })
  return { fake, gateway }
})

describe("the guide for frameworks", () => {
  it.scopedLive("each program runs, and its calls are in the log with what they cost", () =>
    Effect.gen(function*() {
      const { gateway } = yield* running
      yield* environment({
        MAJORDOMO_GATEWAY_URL: gateway.url,
        MAJORDOMO_API_KEY: gateway.key,
        OPENAI_API_KEY: "sk-proj-guide",
        ANTHROPIC_API_KEY: "sk-ant-guide",
        GEMINI_API_KEY: "AIza-guide"
      })
      const mains = yield* built
      assert.isAtLeast(mains.length, 7)
      for (const [i, main] of mains.entries()) {
        const text = yield* Effect.promise(main)
        assert.include(text, "You said:", programs[i]?.heading)
      }
      const rows = yield* rowsOf(gateway, mains.length + 1)
      assert.isTrue(rows.every((row) => row.status === "success" && row.totalCost !== undefined), JSON.stringify(rows))
      assert.sameMembers(
        rows.flatMap(({ metadata }) => metadata["Step"] ?? []),
        ["plan", "write"]
      )
      assert.isTrue(rows.some(({ metadata }) => metadata["User-Id"] === "ada"))
    }))

  it.scopedLive("each message of its last section is what a user sees", () =>
    Effect.gen(function*() {
      const { gateway } = yield* running
      yield* environment({ MAJORDOMO_API_KEY: undefined })
      const said = (url: string, headers: Record<string, string>, model = "gpt-4.1") =>
        Effect.map(
          send(`${gateway.url}${url}`, {
            headers: { "content-type": "application/json", ...headers },
            body: question({ model })
          }),
          ({ body, status }) => `${status} \`${JSON.parse(body.toString()).error.message}`
        )
      const { secret } = yield* gateway.apiKeys.create({ name: "narrow", models: ["gpt-4.1"] })
      const chat = "/v1/chat/completions"
      const withKey = { "x-majordomo-key": gateway.key, authorization: "Bearer sk-proj-guide" }
      const away = yield* run({ providers: { openai: { baseUrl: "http://127.0.0.1:1" } }, auth: "optional" })
      const unreachable = yield* send(`${away.url}${chat}`, {
        headers: { authorization: "Bearer sk-proj-guide" },
        body: question()
      })
      const messages = [
        yield* Effect.sync(() => {
          try {
            return JSON.stringify(Clients.buildExtraHeaders())
          } catch (error) {
            return error instanceof Error ? error.message : ""
          }
        }),
        yield* said(chat, {}),
        yield* said(chat, { "x-majordomo-key": "mdm_sk_made_up" }),
        yield* said(chat, { "x-majordomo-key": gateway.key }),
        yield* said(chat, { ...withKey, authorization: "Bearer sk-ant-api03" }),
        yield* said(chat, { ...withKey, "x-majordomo-key": Redacted.value(secret) }, "gpt-5"),
        yield* said("/nothing", withKey),
        `${unreachable.status} \`${JSON.parse(unreachable.body.toString()).error.message}`
      ]
      const rows = [...guide.slice(guide.indexOf("## Troubleshooting")).matchAll(/^\| ([^|]*`[^|]*`) *\|/gm)]
        .map(({ 1: cell = "" }) => cell.replace(/`$/, "").replace(/^`/, ""))
      // The last one needs a database that is away; the gateway's own tests have it.
      for (const [i, row] of rows.slice(0, -1).entries()) {
        let at = 0
        for (const piece of row.split("…").map((text) => text.trim())) {
          const found = messages[i]?.indexOf(piece, at) ?? -1
          assert.isAtLeast(found, 0, `${row} against ${messages[i]}`)
          at = found + piece.length
        }
      }
      assert.strictEqual(rows.length, messages.length + 1)
    }))
})
