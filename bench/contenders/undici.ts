/** The floor: `undici.request`, `JSON.parse`, and a loop over lines. */
import { Agent, request } from "undici"
import { catalogueJsonSchema, model, prompt } from "../data.ts"
import { fromPromises, serve } from "../harness.ts"

const dispatcher = new Agent()
const messages = [{ role: "user", content: prompt }]

const post = (base: string, body: object, signal?: AbortSignal) =>
  request(`${base}/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: "Bearer sk-test" },
    body: JSON.stringify(body),
    dispatcher,
    ...(signal === undefined ? {} : { signal })
  })

// Untyped on purpose: this is what one would write by hand.
const contentOf = async (base: string, body: object): Promise<string> => {
  const answer = JSON.parse(await (await post(base, body)).body.text())
  return answer.choices[0].message.content
}

const schema = { type: "json_schema", json_schema: { name: "catalogue", schema: catalogueJsonSchema, strict: true } }

await serve(fromPromises((base) => ({
  call: () => contentOf(base, { model, messages }),
  object: async () => JSON.parse(await contentOf(base, { model, messages, response_format: schema })),
  stream: async (onText, signal) => {
    const options = { model, messages, stream: true, stream_options: { include_usage: true } }
    const { body } = await post(base, options, signal)
    let rest = ""
    for await (const piece of body.setEncoding("utf8")) {
      const lines = (rest + piece).split("\n")
      rest = lines.pop() ?? ""
      for (const line of lines) {
        if (!line.startsWith("data: ") || line === "data: [DONE]") continue
        const delta = JSON.parse(line.slice(6)).choices[0]?.delta.content
        if (delta) onText(delta)
      }
    }
  }
})))
