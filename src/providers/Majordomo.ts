/**
 * A Majordomo gateway that decides itself where a model is served. `routed` of an answer says where it was. With another
 * provider's layer, the gateway only passes calls on.
 *
 * @since 0.1.0
 */
import { hosts } from "../internal/hosts/rows.ts"
import * as OpenAICompatible from "./OpenAICompatible.ts"

/**
 * @since 0.1.0
 * @category presets
 */
export const preset: OpenAICompatible.Preset = hosts.majordomo

/**
 * The key comes from `MAJORDOMO_API_KEY` when it is not given. The address is `MAJORDOMO_GATEWAY_URL`, else
 * `http://localhost:7680`.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Majordomo } from "effect-majordomo"
 *
 * const live = Majordomo.layer({ model: "fast" })
 * ```
 */
export const layer: OpenAICompatible.Constructor = OpenAICompatible.layerPreset(preset)

/**
 * The same with options from the configuration.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: OpenAICompatible.ConfigConstructor = OpenAICompatible.layerConfigPreset(preset)
