/** The layers of the members, built one after the other. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Options } from "../../Cascade.ts"
import { LLM, type Service } from "../../LLM.ts"
import { Breaker } from "./breaker.ts"
import { Member } from "./member.ts"
import * as service from "./service.ts"

export type MemberLayer<E, R> = Layer.Layer<LLM, E, R>

/** As they are given. */
export const inOrder = (members: ReadonlyArray<Member>): Effect.Effect<service.Order> => {
  const order = Effect.succeed(members)
  return Effect.succeed(() => order)
}

/** `orderOf` is run once per layer: what an order remembers is shared by the calls of one layer. */
export const layer = <E, R, E2>(
  members: service.NonEmpty<MemberLayer<E, R>>,
  orderOf: (members: ReadonlyArray<Member>) => Effect.Effect<service.Order, E2>,
  options: Options = {}
): Layer.Layer<LLM, E | E2, R> => {
  const [first, ...others] = members
  const make = (services: service.NonEmpty<Service>) =>
    Layer.effect(
      LLM,
      Effect.suspend(() => {
        const [head, ...tail] = services
        const built: service.NonEmpty<Member> = [
          memberOf(head, 0, options),
          ...tail.map((service, index) => memberOf(service, index + 1, options))
        ]
        return Effect.map(orderOf(built), (order) => service.make(built, order, options))
      })
    )
  return build(first, others, [], make, options.skipUnavailable === true)
}

const memberOf = (service: Service, index: number, { breaker }: Options): Member =>
  new Member(
    service,
    breaker === undefined
      ? undefined
      : new Breaker(breaker, { provider: service.provider, model: service.model, member: String(index) })
  )

const build = <E, R, E2>(
  member: MemberLayer<E, R>,
  others: ReadonlyArray<MemberLayer<E, R>>,
  built: ReadonlyArray<Service>,
  make: (services: service.NonEmpty<Service>) => Layer.Layer<LLM, E2>,
  skip: boolean
): Layer.Layer<LLM, E | E2, R> => {
  const [next, ...rest] = others
  const goOn = (services: service.NonEmpty<Service>) =>
    next === undefined ? make(services) : build(next, rest, services, make, skip)
  const onSuccess = (context: Context.Context<LLM>) => {
    const service = Context.get(context, LLM)
    const [head, ...tail] = built
    return goOn(head === undefined ? [service] : [head, ...tail, service])
  }
  if (!skip) return Layer.flatMap(member, onSuccess)
  const onFailure = (error: E): Layer.Layer<LLM, E | E2, R> => {
    const [head, ...tail] = built
    const without = next !== undefined
      ? build(next, rest, built, make, skip)
      : head === undefined
      ? Layer.fail(error)
      : goOn([head, ...tail])
    return Layer.unwrapEffect(Effect.as(Effect.logWarning("a member of a cascade is left out", error), without))
  }
  return Layer.match(member, { onFailure, onSuccess })
}
