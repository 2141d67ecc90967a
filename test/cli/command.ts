/** The `majordomo` command as a process of its own: for what only a process shows. `inProcess.ts` runs it without one. */
import { Effect, type Scope } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"

const bin = fileURLToPath(new URL("../../.tmp/programs/src/bin.js", import.meta.url))

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Options {
  readonly env?: Readonly<Record<string, string>> | undefined
  /** What is piped in. Default: nothing. */
  readonly input?: string | undefined
  readonly cwd?: string | undefined
}

/** No key of this machine gets into a test. */
const ownEnv = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/_API_KEY$|^AWS_|^MAJORDOMO_|^(NO|FORCE)_COLOR$/.test(name))
)

const start = (args: ReadonlyArray<string>, options: Options): ChildProcess =>
  spawn(process.execPath, [bin, ...args], {
    cwd: options.cwd,
    env: { ...ownEnv, ...options.env },
    stdio: "pipe"
  })

export interface Running {
  readonly child: ChildProcess
  readonly ended: Effect.Effect<Ended>
  /** Waits until it has printed this. */
  readonly printed: (text: string) => Effect.Effect<void>
}

export const begin = (
  args: ReadonlyArray<string>,
  options: Options = {}
): Effect.Effect<Running, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(Effect.sync(() => start(args, options)), (child) => Effect.sync(() => child.kill("SIGKILL"))),
    (child) => {
      let stdout = ""
      let stderr = ""
      const listeners = new Set<() => void>()
      child.stdout?.on("data", (chunk) => {
        stdout += String(chunk)
        for (const listener of listeners) listener()
      })
      child.stderr?.on("data", (chunk) => {
        stderr += String(chunk)
      })
      const closed = new Promise<number | null>((resolve) => child.on("close", resolve))
      child.stdin?.on("error", () => {}).end(options.input ?? "")
      return {
        child,
        ended: Effect.map(Effect.promise(() => closed), (code) => ({ code, stdout, stderr })),
        printed: (text) =>
          Effect.async<void>((resume) => {
            const look = () => {
              if (!stdout.includes(text)) return
              listeners.delete(look)
              resume(Effect.void)
            }
            listeners.add(look)
            look()
          })
      }
    }
  )

export const runProcess = (args: ReadonlyArray<string>, options: Options = {}): Effect.Effect<Ended> =>
  Effect.scoped(Effect.flatMap(begin(args, options), ({ ended }) => ended))
