/** A text that another member goes on with where the first one broke off. */
import * as Effect from "effect/Effect"
import type { Request, Service } from "../../LLM.ts"
import * as LLMError from "../../LLMError.ts"
import * as Prompt from "../../Prompt.ts"
import type { Response, Seam, StreamPart } from "../../Response.ts"
import { decodeText } from "../call/settle.ts"

export class Continuation<A, R> {
  /** What the reader has seen. */
  private text = ""
  /** Where the present member's text begins. */
  private seamAt = 0
  private isText: boolean
  /** Space at the end of what was seen, which the next member was not shown and may write again. */
  private shownSpace = ""
  private readonly asked: Request<A, R>
  private from: string | undefined = undefined

  constructor(request: Request<A, R>) {
    this.asked = request
    this.isText = request.output.format.type === "text"
  }

  /** A tool call or a value that broke off cannot be gone on with. */
  get canGoOn(): boolean {
    return this.isText
  }

  /** Follows the parts. Of space at a seam only what is out already is not shown again: the rest is indentation. */
  read(parts: ReadonlyArray<StreamPart<A>>): ReadonlyArray<StreamPart<A>> {
    return parts.flatMap((part): ReadonlyArray<StreamPart<A>> => {
      if (part._tag === "ToolCallDelta" || part._tag === "ToolCallPart") this.isText = false
      if (part._tag !== "TextDelta") return [part]
      const delta = this.shownSpace === "" ? part.delta : this.withoutShown(part.delta)
      if (delta === "") return []
      this.text += delta
      return [delta === part.delta ? part : { ...part, delta }]
    })
  }

  private withoutShown(delta: string): string {
    const { shownSpace } = this
    let same = 0
    while (same < delta.length && same < shownSpace.length && delta[same] === shownSpace[same]) same++
    this.shownSpace = same === delta.length ? shownSpace.slice(same) : ""
    return delta.slice(same)
  }

  /** The conversation with the text so far as the assistant's. It ends without space, which some wires refuse. */
  request(): Request<A, R> {
    const said = this.text.trimEnd()
    return said === "" ? this.asked : {
      ...this.asked,
      prompt: [...Prompt.toMessages(this.asked.prompt), Prompt.assistant(said)]
    }
  }

  seam(from: Service, to: Service, error: LLMError.LLMError): Seam {
    this.seamAt = this.text.length
    this.shownSpace = this.text.slice(this.text.trimEnd().length)
    this.from = `${from.provider}/${from.model}`
    return {
      _tag: "Seam",
      from: { provider: from.provider, model: from.model },
      to: { provider: to.provider, model: to.model },
      error: LLMError.tagOf(error),
      at: this.seamAt
    }
  }

  /** The failure with all of the text. */
  broken(error: LLMError.LLMError): LLMError.LLMError {
    return this.seamAt === 0 || error._tag !== "ProviderError" ? error : LLMError.withPartial(error, this.text)
  }

  /** The answer to the whole call: both texts are one. */
  whole(response: Response<A>): Effect.Effect<Response<A>, LLMError.LLMError, R> {
    if (this.from === undefined) return Effect.succeed(response)
    const { text } = this
    const { message } = response
    const parts = typeof message.content === "string" ? [] : message.content.filter((part) => part.type !== "text")
    const warning = {
      code: "continued" as const,
      message:
        `${response.provider}/${response.model} went on where ${this.from} broke off, at character ${this.seamAt}`
    }
    return Effect.map(decodeText(this.asked.output, text, response), (content) => ({
      ...response,
      content,
      text,
      message: { ...message, content: [...parts, Prompt.text(text)] },
      warnings: [...response.warnings, warning]
    }))
  }
}
