/** The labels of a call, keys in header case: those of the call over those of what it runs in. */
import * as Metadata from "../../Metadata.ts"

const known = new Map<string, string>()
const maxKnown = 1000

const headerCase = (key: string): string => {
  const found = known.get(key)
  if (found !== undefined) return found
  const made = Metadata.toHeaderCase(key)
  if (known.size < maxKnown) known.set(key, made)
  return made
}

const none: Metadata.Metadata = {}

export const labelsOf = (scoped: Metadata.Metadata, own: Metadata.Metadata | undefined): Metadata.Metadata => {
  let labels: Record<string, string> | undefined
  for (const source of own === undefined ? [scoped] : [scoped, own]) {
    for (const key in source) {
      const value = source[key]
      if (value !== undefined) (labels ??= {})[headerCase(key)] = String(value)
    }
  }
  return labels ?? none
}
