/** What an answer cites, in the shapes that providers give it. */
import type { LanguageModelV4Source } from "@ai-sdk/provider"
import { asArray, asObject, asString, type Loose } from "../../../internal/json/values.ts"
import type { AssistantPart } from "../../../Prompt.ts"

/** Every page and document once, in the order of the answer. */
export const of = (parts: ReadonlyArray<AssistantPart>, seen: Set<string> = new Set()): Array<LanguageModelV4Source> =>
  parts.flatMap(citationsOf).flatMap((citation) => {
    const source = toSource(citation, `source-${seen.size}`)
    const key = source === undefined ? "" : source.sourceType === "url" ? source.url : source.title
    if (source === undefined || seen.has(key)) return []
    seen.add(key)
    return [source]
  })

const citationsOf = (part: AssistantPart): ReadonlyArray<Loose> => {
  // The pages that a search of the provider's found.
  if (part.type === "provider") {
    return part.value["type"] === "web_search_tool_result" ? asArray(part.value["content"]).map(asObject) : []
  }
  if (part.type !== "text") return []
  return Object.values(part.providerMetadata ?? {}).flatMap((kept) => asArray(kept["citations"]).map(asObject))
}

const toSource = (citation: Loose, id: string): LanguageModelV4Source | undefined => {
  const page = asObject(citation["url_citation"] ?? citation["web"] ?? citation)
  const url = asString(page["url"]) ?? asString(page["uri"])
  const title = asString(page["title"]) ?? asString(citation["document_title"])
  if (url !== undefined) {
    return { type: "source", sourceType: "url", id, url, ...(title === undefined ? {} : { title }) }
  }
  return title === undefined
    ? undefined
    : { type: "source", sourceType: "document", id, mediaType: "text/plain", title }
}
