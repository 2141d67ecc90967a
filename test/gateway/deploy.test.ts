/** Files for those who run the gateway: they are read, and what they start is started. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { spawnSync } from "node:child_process"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { parseAllDocuments } from "yaml"
import { begin } from "../cli/command.ts"
import { send, temporary } from "./running.ts"

const textOf = (name: string): string => readFileSync(join("deploy", name), "utf8")
const documentsOf = (name: string): ReadonlyArray<unknown> =>
  parseAllDocuments(textOf(name)).map((document) => {
    assert.deepStrictEqual(document.errors, [])
    return document.toJS()
  })

const Words = Schema.parseJson(Schema.Array(Schema.String))
/** The instructions of the last stage. */
const stage = (textOf("Dockerfile").split(/^FROM /m).at(-1) ?? "").replaceAll(/\\\n\s*/g, "")
const instruction = (name: string): string => new RegExp(`^${name} (.*)$`, "m").exec(stage)?.[1] ?? ""
const wordsOf = (name: string) => Schema.decodeUnknownSync(Words)(/\[.*\]/.exec(instruction(name))?.[0])
const image = {
  env: Object.fromEntries([...instruction("ENV").matchAll(/(\w+)=(\S+)/g)].map(([, name, value]) => [name, value])),
  entry: wordsOf("ENTRYPOINT"),
  command: wordsOf("CMD")
}

const Container = Schema.Struct({
  args: Schema.Array(Schema.String),
  ports: Schema.Array(Schema.Struct({ name: Schema.String, containerPort: Schema.Number })),
  readinessProbe: Schema.Struct({ httpGet: Schema.Struct({ path: Schema.String, port: Schema.String }) }),
  livenessProbe: Schema.Struct({ httpGet: Schema.Struct({ path: Schema.String, port: Schema.String }) }),
  volumeMounts: Schema.Array(Schema.Struct({ name: Schema.String, mountPath: Schema.String })),
  securityContext: Schema.Struct({ readOnlyRootFilesystem: Schema.Literal(true) })
})
const Set = Schema.Struct({
  kind: Schema.Literal("StatefulSet"),
  spec: Schema.Struct({
    template: Schema.Struct({
      spec: Schema.Struct({
        terminationGracePeriodSeconds: Schema.Number.pipe(Schema.greaterThan(30)),
        securityContext: Schema.Struct({ runAsNonRoot: Schema.Literal(true) }),
        containers: Schema.Tuple(Container)
      })
    })
  })
})
const Compose = Schema.Struct({
  services: Schema.Struct({
    gateway: Schema.Struct({
      environment: Schema.Record({ key: Schema.String, value: Schema.String }),
      volumes: Schema.Array(Schema.String),
      ports: Schema.Array(Schema.String)
    }),
    database: Schema.Struct({ image: Schema.String })
  })
})

describe("files for deployment", () => {
  it.scopedLive("start the gateway with what the image gives it, and its health is seen", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(image.entry, ["node", "/app/node_modules/effect-majordomo/dist/bin.js"])
      assert.strictEqual(instruction("USER"), "node")
      const data = yield* temporary
      const here = (text: string) => text.replace("/data", data).replace("0.0.0.0", "127.0.0.1")
      const env = {
        ...Object.fromEntries(Object.entries(image.env).map(([name, value]) => [name, here(String(value))])),
        MAJORDOMO_PORT: "0",
        MAJORDOMO_ADMIN_PORT: "0"
      }
      const { child, ended } = yield* begin(image.command, { cwd: data, env })
      const url = yield* Effect.raceFirst(
        Effect.async<string>((resume) => {
          child.stderr?.on("data", (chunk) => {
            const found = /gateway on (http:\S+),/.exec(String(chunk))?.[1]
            if (found !== undefined) resume(Effect.succeed(found))
          })
        }),
        Effect.flatMap(ended, ({ stderr }) => Effect.dieMessage(stderr))
      )
      assert.strictEqual((yield* send(`${url}/readyz`)).status, 200)
      assert.isTrue(existsSync(join(data, "spool")))
      const [program = "", ...args] = wordsOf("HEALTHCHECK")
      const healthy = (port: string) =>
        spawnSync(program === "node" ? process.execPath : program, args, { env: { MAJORDOMO_PORT: port } }).status
      assert.strictEqual(healthy(new URL(url).port), 0)
      child.kill("SIGTERM")
      assert.strictEqual((yield* ended).code, 143)
      assert.strictEqual(healthy(new URL(url).port), 1)
    }))

  it.effect("agree with the image and with each other", () =>
    Effect.gen(function*() {
      const documents = documentsOf("kubernetes/gateway.yaml")
      const set = yield* Schema.decodeUnknown(Set)(
        documents.find((one) => Object(one).kind === "StatefulSet")
      )
      const [container] = set.spec.template.spec.containers
      const ports = new Map(container.ports.map(({ containerPort, name }) => [name, String(containerPort)]))
      assert.strictEqual(ports.get("http"), image.env["MAJORDOMO_PORT"])
      assert.strictEqual(ports.get("admin"), image.env["MAJORDOMO_ADMIN_PORT"])
      assert.deepStrictEqual(container.readinessProbe.httpGet, { path: "/readyz", port: "http" })
      assert.deepStrictEqual(container.livenessProbe.httpGet, { path: "/health", port: "http" })
      assert.isTrue(container.volumeMounts.some(({ mountPath }) => image.env["MAJORDOMO_SPOOL"]?.startsWith(mountPath)))
      assert.deepStrictEqual(documents.map((one) => String(Object(one).kind)), [
        "ConfigMap",
        "StatefulSet",
        "Service",
        "Service",
        "PodDisruptionBudget"
      ])
      const [compose] = documentsOf("compose.yaml")
      const { services } = yield* Schema.decodeUnknown(Compose)(compose)
      assert.match(services.gateway.environment["DATABASE_URL"] ?? "", /^postgres:\/\//)
      assert.include(services.gateway.volumes, "spool:/data")
      assert.include(services.gateway.ports, "127.0.0.1:7681:7681")
    }))

  it.scopedLive("give it a configuration that it takes", () =>
    Effect.gen(function*() {
      const config = Schema.decodeUnknownSync(
        Schema.Struct({ data: Schema.Struct({ "majordomo.json": Schema.String }) })
      )(documentsOf("kubernetes/gateway.yaml")[0])
      const cwd = yield* temporary
      writeFileSync(join(cwd, "majordomo.json"), config.data["majordomo.json"])
      const { ended } = yield* begin(["gateway", "--check"], { cwd })
      assert.strictEqual((yield* ended).code, 0)
    }))

  it("start the same command by systemd", () => {
    const unit = textOf("majordomo.service")
    const settings = new Map(
      unit.split("\n").filter((line) => /^\w+=/.test(line)).map((line) => {
        const at = line.indexOf("=")
        return [line.slice(0, at), line.slice(at + 1)] as const
      })
    )
    assert.deepStrictEqual(
      settings.get("ExecStart")?.split(" ").map((word) => word.split("/node_modules/").at(-1)?.split("/").at(-1)),
      ["node", "bin.js", ...image.command]
    )
    assert.isAbove(Number(settings.get("TimeoutStopSec")), 30)
    assert.strictEqual(settings.get("SuccessExitStatus"), "143")
    assert.deepStrictEqual(unit.match(/^\[\w+\]$/gm), ["[Unit]", "[Service]", "[Install]"])
  })
})
