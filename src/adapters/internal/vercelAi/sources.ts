/** What an answer cites, as sources. */
import type { LanguageModelV4Source } from "@ai-sdk/provider"
import { asArray, asObject, asString } from "../../../internal/json/values.ts"
import type { AssistantPart } from "../../../Prompt.ts"

interface Page {
  readonly url?: string | undefined
  readonly title?: string | undefined
}

/** Every page and document once, in the order of the answer. */
export const of = (parts: ReadonlyArray<AssistantPart>, seen: Set<string> = new Set()): Array<LanguageModelV4Source> =>
  parts.flatMap(pagesOf).flatMap((page) => {
    const key = page.url ?? page.title
    if (key === undefined || seen.has(key)) return []
    const source = toSource(page, `source-${seen.size}`)
    seen.add(key)
    return [source]
  })

const pagesOf = (part: AssistantPart): ReadonlyArray<Page> => {
  if (part.type === "text") return part.citations ?? []
  // The pages that a search of the provider's found.
  return part.type === "provider" && part.value["type"] === "web_search_tool_result"
    ? asArray(part.value["content"]).map((item) => ({
      url: asString(asObject(item)["url"]),
      title: asString(asObject(item)["title"])
    }))
    : []
}

const toSource = ({ title, url }: Page, id: string): LanguageModelV4Source =>
  url === undefined
    ? { type: "source", sourceType: "document", id, mediaType: "text/plain", title: title ?? "" }
    : { type: "source", sourceType: "url", id, url, ...(title === undefined ? {} : { title }) }
