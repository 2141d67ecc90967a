/** What is asked and answered: the same for every contender. */

export const model = "gpt-4.1-mini"
export const claude = "claude-sonnet-5"
export const prompt = "Describe the harbour at dawn in a few words."
export const text = "Grey water, gulls, and the slow clank of a crane. ".repeat(6)
/** The text of one event. */
export const words = [" harbour", " at", " dawn", ":", " grey", " water", " still", "\n", " gulls", " \"above\""]

/** 2.4 KB as JSON. */
export const catalogue = {
  title: "Spring catalogue",
  currency: "EUR",
  items: Array.from({ length: 13 }, (_, index) => ({
    id: 1000 + index,
    name: `Field notebook, size ${index}, ruled, 96 pages`,
    price: 7.5 + index,
    inStock: index % 3 !== 0,
    tags: ["paper", "outdoor", `size-${index}`],
    maker: { name: "North Mill Paper", country: "NO" }
  }))
}

const object = (properties: Readonly<Record<string, unknown>>) => ({
  type: "object",
  properties,
  required: Object.keys(properties),
  additionalProperties: false
})
export const catalogueJsonSchema = object({
  title: { type: "string" },
  currency: { type: "string" },
  items: {
    type: "array",
    items: object({
      id: { type: "integer" },
      name: { type: "string" },
      price: { type: "number" },
      inStock: { type: "boolean" },
      tags: { type: "array", items: { type: "string" } },
      maker: object({ name: { type: "string" }, country: { type: "string" } })
    })
  }
})

/** How the mock answers; it is the first step of the path, so that a contender only needs another base URL. */
export type Mode =
  | "call"
  | "object"
  /** Many events in one write. */
  | `busy-${number}`
  /** One event a write, each after the one before has left. */
  | `single-${number}`
  /** One event every 2 ms. */
  | `paced-${number}`
  /** This many events, then nothing until the client goes. */
  | `hold-${number}`
