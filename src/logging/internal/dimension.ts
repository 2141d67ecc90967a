/** What a person names to group calls by. */
import type { Dimension } from "../CostReport.ts"

const columns: ReadonlyArray<Dimension> = [
  "provider",
  "model",
  "requested-model",
  "key",
  "status",
  "error",
  "hour",
  "day",
  "month"
]

/** A column where there is one of that name, else a label. */
export const dimensionOf = (name: string): Dimension => columns.find((column) => column === name) ?? { label: name }
