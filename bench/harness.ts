/** The process of one contender: makes calls when told to, and says what they cost it. */
import { setTimeout as sleep } from "node:timers/promises"
import type { Mode } from "./data.ts"
import { text } from "./data.ts"

export interface Contender {
  /** So many calls, so many of them at once; each checks its answer. */
  readonly calls: (base: string, amount: number, concurrency: number) => Promise<void>
  readonly objects?: (base: string, amount: number) => Promise<void>
  /** So many streams at once, read to their ends. Resolves with the number of events that had text. */
  readonly streams: (base: string, amount: number) => Promise<number>
  /** Milliseconds from asking to the first text, one stream after the other. */
  readonly firstTexts: (base: string, amount: number) => Promise<ReadonlyArray<number>>
  /** Opens streams and reads what has come; the result closes them. */
  readonly open: (base: string, amount: number) => Promise<() => Promise<void>>
}

export interface Job {
  readonly measure: keyof typeof measures
  readonly origin: string
  readonly amount: number
}

/** The functions of a client made of promises. */
export interface PromiseClient {
  readonly call: () => Promise<string>
  readonly object?: () => Promise<{ readonly items: ReadonlyArray<unknown> }>
  readonly stream: (onText: (delta: string) => void, signal?: AbortSignal) => Promise<void>
}

export const fromPromises = (makeClient: (base: string) => PromiseClient): Contender => {
  const clients = new Map<string, PromiseClient>()
  const client = (base: string) => {
    let made = clients.get(base)
    if (made === undefined) clients.set(base, made = makeClient(base))
    return made
  }
  const contender: Contender = {
    calls: async (base, amount, concurrency) => {
      const { call } = client(base)
      let left = amount
      await Promise.all(Array.from({ length: concurrency }, async () => {
        while (left-- > 0) expectText(await call())
      }))
    },
    streams: async (base, amount) => {
      const { stream } = client(base)
      let events = 0
      await Promise.all(Array.from({ length: amount }, () => stream(() => events++)))
      return events
    },
    firstTexts: async (base, amount) => {
      const { stream } = client(base)
      const times: Array<number> = []
      for (let i = 0; i < amount; i++) {
        const startedAt = performance.now()
        let first = 0
        await stream(() => first ||= performance.now() - startedAt)
        times.push(first)
      }
      return times
    },
    open: async (base, amount) => {
      const { stream } = client(base)
      const opened = Array.from({ length: amount }, () => {
        const controller = new AbortController()
        let end = Promise.resolve()
        const first = new Promise<void>((resolve, reject) => {
          end = stream(() => resolve(), controller.signal).catch(reject)
        })
        return { controller, end, first }
      })
      await Promise.all(opened.map(({ first }) => first))
      return async () => {
        for (const { controller } of opened) controller.abort()
        await Promise.allSettled(opened.map(({ end }) => end))
      }
    }
  }
  const { object } = makeClient("http://127.0.0.1:1")
  return object === undefined ? contender : {
    ...contender,
    objects: async (base, amount) => {
      for (let i = 0; i < amount; i++) expectItems(await client(base).object?.())
    }
  }
}

export const expectText = (answer: string) => {
  if (answer !== text) throw new Error(`a wrong answer: ${answer}`)
}
export const expectItems = (value: { readonly items: ReadonlyArray<unknown> } | undefined) => {
  if (value?.items.length !== 13) throw new Error(`a wrong object: ${JSON.stringify(value)}`)
}

const expectCount = (expected: number) => (count: number) => {
  if (count !== expected) throw new Error(`${count} events of ${expected}`)
  return count
}

// ── measuring ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** Microseconds of processor time, kernel and collector included. */
const cpu = async (work: () => Promise<number>): Promise<number> => {
  const before = process.cpuUsage()
  const units = await work()
  const { system, user } = process.cpuUsage(before)
  return (user + system) / units
}

const median = (values: ReadonlyArray<number>) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN

const residentAfterCollection = () => {
  for (let i = 0; i < 3; i++) globalThis.gc?.()
  return process.memoryUsage.rss()
}

const measures = {
  /** CPU µs a call, one at a time. */
  call: async (contender: Contender, at: (mode: Mode) => string, amount: number) =>
    cpu(() => contender.calls(at("call"), amount, 1).then(() => amount)),
  /** CPU µs a call, 64 at once. */
  calls: async (contender: Contender, at: (mode: Mode) => string, amount: number) =>
    cpu(() => contender.calls(at("call"), amount, 64).then(() => amount)),
  /** CPU µs an answer that is decoded to an object. */
  object: async ({ objects }: Contender, at: (mode: Mode) => string, amount: number) =>
    objects === undefined ? NaN : cpu(() => objects(at("object"), amount).then(() => amount)),
  /** CPU µs an event, 16 streams that send as fast as they can. */
  stream: async (contender: Contender, at: (mode: Mode) => string, amount: number) =>
    cpu(() => contender.streams(at(`busy-${amount}`), 16).then(expectCount(16 * amount))),
  /** CPU µs an event, one event a read. */
  single: async (contender: Contender, at: (mode: Mode) => string, amount: number) =>
    cpu(() => contender.streams(at(`single-${amount}`), 1).then(expectCount(amount))),
  /** CPU µs an event, 16 streams that send one every 2 ms. */
  paced: async (contender: Contender, at: (mode: Mode) => string, amount: number) =>
    cpu(() => contender.streams(at(`paced-${amount}`), 16).then(expectCount(16 * amount))),
  /** µs to the first text. */
  first: async (contender: Contender, at: (mode: Mode) => string, amount: number) =>
    1000 * median(await contender.firstTexts(at("single-3"), amount)),
  /** KiB of resident memory an open stream adds; only the first time in a process is honest. */
  memory: async (contender: Contender, at: (mode: Mode) => string, amount: number) => {
    const close = await contender.open(at("hold-20"), 20)
    await close()
    await sleep(200)
    const before = residentAfterCollection()
    const closeAll = await contender.open(at("hold-20"), amount)
    await sleep(500)
    const after = residentAfterCollection()
    await closeAll()
    await sleep(200)
    return (after - before) / amount / 1024
  }
}

export const serve = async (contender: Contender): Promise<void> => {
  const [origin] = process.argv.slice(2)
  if (origin !== undefined) {
    // A fresh process: one answer, then the end.
    await contender.calls(`${origin}/call/v1`, 1, 1)
    process.exit()
  }
  process.on("disconnect", () => process.exit())
  process.on("message", async ({ amount, measure, origin }: Job) => {
    try {
      process.send?.({ value: await measures[measure](contender, (mode) => `${origin}/${mode}/v1`, amount) })
    } catch (error) {
      process.send?.({ error: String(error) })
    }
  })
  process.send?.({ value: 0 })
}
