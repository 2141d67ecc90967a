/** Names that editors complete; any other is as good. */
import type { KnownModels } from "./knownModels.ts"

export type { KnownModels } from "./knownModels.ts"

/** Any string: unlike `string`, it leaves the literals beside it for editors to offer. */
export type Other = string & Record<never, never>

/** A model of this provider. */
export type ModelOf<Provider extends string> =
  | (Provider extends keyof KnownModels ? KnownModels[Provider] : never)
  | Other

/** `"provider/model"`. */
export type FullName = { [P in keyof KnownModels]: `${P}/${KnownModels[P]}` }[keyof KnownModels] | Other
