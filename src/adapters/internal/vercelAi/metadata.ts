/** What of a part only its provider knows goes through other libraries under our name, and comes back with the part. */
import type { SharedV4ProviderMetadata, SharedV4ProviderOptions } from "@ai-sdk/provider"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Prompt from "../../../Prompt.ts"

/** The name under which options come in and facts go out. */
export const ours = "majordomo"

/** A kind of `custom` part: a part of ours that has no other place. */
export const providerPartKind = "majordomo.provider-part"

const Carried = Schema.Struct({
  metadata: Schema.optional(Prompt.ProviderMetadata),
  citations: Schema.optional(Schema.Array(Prompt.Citation)),
  rawArguments: Schema.optional(Schema.String),
  part: Schema.optional(Prompt.ProviderPart)
})
type Carried = typeof Carried.Type

/** Undefined where there is nothing to keep. */
const carry = (carried: Carried): SharedV4ProviderMetadata | undefined => {
  const { citations, metadata, part, rawArguments } = carried
  if (Object.values(carried).every((value) => value === undefined)) return undefined
  return {
    [ours]: {
      ...(metadata === undefined ? {} : { metadata }),
      ...(citations === undefined ? {} : { citations: citations.map((citation) => ({ ...citation })) }),
      ...(part === undefined ? {} : { part: { ...part } }),
      ...(rawArguments === undefined ? {} : { rawArguments })
    }
  }
}

type Kept = { readonly providerMetadata?: SharedV4ProviderMetadata }

/** What of a part its provider wants to see again. */
export const metadataOf = (part: Prompt.AssistantPart): Kept => {
  const kept = part.type === "provider" ? carry({ part }) : carry({
    metadata: part.providerMetadata,
    citations: part.type === "text" ? part.citations : undefined,
    rawArguments: part.type === "tool-call" ? part.rawArguments : undefined
  })
  return kept === undefined ? {} : { providerMetadata: kept }
}

const decode = Schema.decodeUnknownOption(Carried)

/** What `carry` wrote; nothing where somebody else wrote. */
export const carried = (options: SharedV4ProviderOptions | undefined): Carried =>
  Option.getOrElse(decode(options?.[ours] ?? {}), () => ({}))

/** What a text cites and what its provider keeps with it, as fields of the part. */
export const textFields = (options: SharedV4ProviderOptions | undefined): Pick<
  Prompt.TextPart,
  "citations" | "providerMetadata"
> => {
  const { citations } = carried(options)
  return { ...metadataField(options), ...(citations === undefined ? {} : { citations }) }
}

/** The metadata as a field of one of our parts. */
export const metadataField = (options: SharedV4ProviderOptions | undefined): {
  readonly providerMetadata?: Prompt.ProviderMetadata
} => {
  const { metadata } = carried(options)
  return metadata === undefined ? {} : { providerMetadata: metadata }
}
