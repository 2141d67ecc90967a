/**
 * Readers of what strangers send do twice the work for twice the text, not four times. Work is what methods of texts and
 * patterns look at: counted, since time says nothing on a busy machine.
 */
import { assert, describe, it } from "@effect/vitest"
import { EventFrames } from "../src/gateway/internal/eventFrames.ts"
import { scan } from "../src/gateway/internal/scan.ts"
import { toLLMError } from "../src/internal/http/errors.ts"
import { formsOf, scrub } from "../src/internal/http/secrets.ts"
import * as sse from "../src/internal/http/sse.ts"
import { withoutReasoning } from "../src/internal/json/reasoning.ts"
import { isTooDeep, parse } from "../src/internal/json/values.ts"
import { isSoak } from "./runs.ts"

type Method = (this: string, ...args: Array<unknown>) => unknown

const distances: ReadonlySet<string> = new Set(["indexOf", "lastIndexOf"])
const whole = ["includes", "replace", "replaceAll", "split", "match", "search", "trim", "trimStart", "trimEnd"]
const pieces = ["slice", "substring", "at", "charAt", "charCodeAt", "codePointAt", "startsWith", "endsWith"]

/** Characters that were looked at while `use` ran. */
const looks = (use: () => unknown): number => {
  let count = 0
  const methods = Object.getOwnPropertyDescriptors(String.prototype)
  const { exec } = RegExp.prototype
  const { test } = RegExp.prototype
  const instrumented: Record<string, Method> = {}
  const originals: Record<string, Method> = {}
  for (const name of [...distances, ...whole, ...pieces]) {
    const method: Method = Reflect.get(methods, name).value
    originals[name] = method
    instrumented[name] = function(this: string, ...args) {
      const result = method.apply(this, args)
      if (distances.has(name)) {
        const from = typeof args[1] === "number" ? args[1] : name === "indexOf" ? 0 : this.length
        const found = typeof result === "number" && result >= 0 ? result : name === "indexOf" ? this.length : 0
        count += Math.abs(found - from) + 1
      } else if (whole.includes(name)) count += this.length
      else count += typeof result === "string" ? result.length + 1 : 1
      return result
    }
  }
  Object.assign(String.prototype, instrumented)
  Object.assign(RegExp.prototype, {
    exec(this: RegExp, text: string) {
      const from = this.lastIndex
      const found = exec.call(this, text)
      // One that sticks looks at its place and nowhere else.
      if (this.sticky) count += 1 + (found?.[0].length ?? 0)
      else count += (found === null ? text.length : found.index + found[0].length) - (this.global ? from : 0)
      return found
    },
    test(this: RegExp, text: string) {
      count += text.length
      return test.call(this, text)
    }
  })
  try {
    use()
  } finally {
    Object.assign(String.prototype, originals)
    Object.assign(RegExp.prototype, { exec, test })
  }
  return count
}

const encoder = new TextEncoder()

const inPieces = (text: string, push: (bytes: Uint8Array) => unknown) => {
  const bytes = encoder.encode(text)
  for (let at = 0; at < bytes.length; at += 4096) push(bytes.subarray(at, at + 4096))
}

const readers: Readonly<Record<string, (text: string) => unknown>> = {
  "server-sent events": (text) => {
    const framing = sse.make({ maxEventBytes: 100_000_000 })
    inPieces(`data: ${text}`, (bytes) => framing.push(bytes))
    return framing.end()
  },
  "events on their way": (text) => {
    const frames = new EventFrames({ withoutUsage: true })
    inPieces(`data: {"choices":[]}${text}`, (bytes) => frames.push(Buffer.from(bytes)))
    return frames.flush()
  },
  "reasoning in tags": withoutReasoning,
  "deep JSON": isTooDeep,
  JSON: parse,
  "a body's fields": (text) => scan(Buffer.from(`{"a":"${text}`), new Set(["model"])),
  "secrets in text": (text) => scrub(text, formsOf(["sk-secret-1", "Bearer sk-secret-2"])),
  "an error's body": (text) =>
    toLLMError({
      provider: "test",
      model: "m",
      status: 400,
      facts: { message: text, code: text, type: text },
      headers: {},
      now: 0,
      body: text,
      scrub: (said) => scrub(said, formsOf(["sk-secret-1"]))
    }).message
}

const awkward = [
  "<",
  "{",
  "[",
  "`",
  "\\",
  "\"",
  " ",
  "\n",
  "\r",
  "e\u0301",
  "data: ",
  "<think>",
  "</think>",
  "\n\n",
  "}\n\n"
]
const size = isSoak ? 2_500_000 : 100_000

describe.each(Object.entries(readers))("%s", (_, read) => {
  it.each(awkward)("%j", (unit) => {
    const text = (length: number) => unit.repeat(Math.ceil(length / unit.length))
    const once = looks(() => read(text(size)))
    const twice = looks(() => read(text(2 * size)))
    // What is read in a step, and then no more of it, counts as linear as well.
    assert.isAtMost(twice, 2.2 * once + 50_000)
  })
})
