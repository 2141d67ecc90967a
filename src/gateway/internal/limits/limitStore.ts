/** Where the limits of a gateway are counted: in its database, or in a Redis. Rows are booked where calls are. */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import type { ConfigurationError } from "../../../LLMError.ts"
import type { Options } from "../../GatewayConfig.ts"
import * as redisStore from "./redisStore.ts"
import * as sqlStore from "./sqlStore.ts"
import type { Store } from "./store.ts"

export class LimitStore extends Context.Tag("effect-majordomo/gateway/internal/LimitStore")<LimitStore, Store>() {}

export const layer = (
  { redis }: Pick<Options, "redis">
): Layer.Layer<LimitStore, ConfigurationError, SqlClient.SqlClient> =>
  redis === undefined
    ? Layer.effect(LimitStore, sqlStore.make())
    : Layer.scoped(LimitStore, redisStore.make(redis))
