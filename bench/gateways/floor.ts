/** The least a gateway in Node can do: a request in, the same request out, bytes as they come. */
import * as http from "node:http"
import { Agent, request } from "undici"
import { collectWhenTold } from "./collecting.ts"

const { PORT, UPSTREAM = "" } = process.env
const dispatcher = new Agent({ connections: 2048, pipelining: 1 })
const own = new Set(["host", "connection", "content-length", "transfer-encoding", "keep-alive"])

const kept = (headers: http.IncomingHttpHeaders): Record<string, string | Array<string>> =>
  Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => value === undefined || own.has(name) ? [] : [[name, value]])
  )

collectWhenTold()
http.createServer((incoming, outgoing) => {
  const chunks: Array<Buffer> = []
  incoming.on("data", (chunk: Buffer) => chunks.push(chunk))
  incoming.on("end", async () => {
    const answer = await request(UPSTREAM + String(incoming.url), {
      method: "POST",
      headers: kept(incoming.headers),
      body: Buffer.concat(chunks),
      dispatcher
    })
    outgoing.writeHead(answer.statusCode, kept(answer.headers))
    for await (const chunk of answer.body) {
      if (!outgoing.write(chunk)) await new Promise((resolve) => outgoing.once("drain", resolve))
    }
    outgoing.end()
  })
}).listen(Number(PORT), "127.0.0.1")
