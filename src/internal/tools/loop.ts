/** The tool loop: ask, run the tools that were called side by side, tell the model, until it answers. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Cost from "../../Cost.ts"
import type { Request, RunToolsOptions, Service, ToolsResponse, ToolsStreamPart } from "../../LLM.ts"
import * as LLMError from "../../LLMError.ts"
import * as Output from "../../Output.ts"
import * as Prompt from "../../Prompt.ts"
import type * as Response from "../../Response.ts"
import * as Tool from "../../Tool.ts"
import * as Usage from "../../Usage.ts"
import { toJson } from "../json/toJson.ts"

const defaultSteps = 8

/** How a step is asked: its parts, the answer last. */
type Ask<A, R> = (
  request: Request<Option.Option<A>, R>
) => Stream.Stream<Response.StreamPart<Option.Option<A>>, LLMError.LLMError, R>

type Failure<E> = LLMError.LLMError | LLMError.ToolStepsExceededError | E

/** The loop, its answers streamed. */
export const stream = <A, R, E, R2>(
  llm: Service,
  options: RunToolsOptions<ReadonlyArray<Tool.Executable<E, R2>>, "tell-model" | "fail">,
  output: Output.Output<A, R>
): Stream.Stream<ToolsStreamPart<A>, Failure<E>, R | R2> => loop(llm.stream, options, output)

/** The loop, its answers asked for whole: what is left of it is its last part. */
export const run = <A, R, E, R2>(
  llm: Service,
  options: RunToolsOptions<ReadonlyArray<Tool.Executable<E, R2>>, "tell-model" | "fail">,
  output: Output.Output<A, R>
): Effect.Effect<ToolsResponse<A>, Failure<E>, R | R2> => {
  const whole: Ask<A, R> = (request) =>
    Stream.fromEffect(Effect.map(llm.generate(request), (response) => ({ _tag: "Finish" as const, response })))
  return Stream.runFoldWhile(
    loop(whole, options, output),
    Option.none<ToolsResponse<A>>(),
    Option.isNone,
    (last, part) => part._tag === "Finish" ? Option.some(part.response) : last
  ).pipe(
    // Every end of the loop but the last part is a failure.
    Effect.flatMap(Option.match({ onNone: () => Effect.dieMessage("the loop has no end"), onSome: Effect.succeed }))
  )
}

const loop = <A, R, E, R2>(
  ask: Ask<A, R>,
  options: RunToolsOptions<ReadonlyArray<Tool.Executable<E, R2>>, "tell-model" | "fail">,
  output: Output.Output<A, R>
): Stream.Stream<ToolsStreamPart<A>, Failure<E>, R | R2> =>
  Stream.suspend(() => {
    const { concurrency, maxSteps = defaultSteps, onToolError, ...request } = options
    const tools = new Map(options.tools.map((tool) => [tool.name, tool]))
    const steps: Array<Response.Response<Option.Option<A>>> = []
    const messages = [...Prompt.toMessages(options.prompt)]

    const call = (toolCall: Response.ToolCall): Effect.Effect<Prompt.ToolResultPart, E, R2> => {
      const tool = tools.get(toolCall.name)
      if (tool === undefined) {
        return Effect.succeed(
          failure(toolCall, `there is no tool named ${toolCall.name}; there are ${[...tools.keys()].join(", ")}`)
        )
      }
      if (toolCall.arguments === null && (toolCall.rawArguments ?? "null").trim() !== "null") {
        return Effect.succeed(failure(toolCall, "the arguments are not valid JSON"))
      }
      return Effect.matchEffect(tool.execute(toolCall.arguments, { id: toolCall.id, step: steps.length }), {
        onSuccess: (result) => Effect.succeed(success(toolCall, result)),
        onFailure: (error) =>
          error instanceof Output.DecodeFailure
            ? Effect.succeed(failure(toolCall, `the arguments are wrong: ${describeIssues(error.issues)}`))
            : onToolError === "fail"
            // What is left of the union is the handler's own error.
            ? Effect.fail(error as E)
            : Effect.succeed(failure(toolCall, describe(error)))
      })
    }

    /** Side by side, each told as it ends; the conversation has them in the order of the calls. */
    const results = (calls: ReadonlyArray<Response.ToolCall>): Stream.Stream<Response.ToolResult, E, R2> => {
      const step = steps.length
      const given = new Map<Response.ToolCall, Prompt.ToolResultPart>()
      return Stream.fromIterable(calls).pipe(
        Stream.mapEffect((toolCall) =>
          Effect.map(call(toolCall), (part) => {
            given.set(toolCall, part)
            return { _tag: "ToolResult" as const, step, part }
          }), { concurrency: concurrency ?? "unbounded", unordered: true }),
        Stream.concat(Stream.suspend(() => {
          messages.push(Prompt.tool(calls.flatMap((toolCall) => given.get(toolCall) ?? [])))
          return Stream.empty
        }))
      )
    }

    const after = (response: Response.Response<Option.Option<A>>): Stream.Stream<
      ToolsStreamPart<A>,
      Failure<E>,
      R | R2
    > => {
      if (Option.isSome(response.content) && response.toolCalls.length === 0) {
        return Stream.succeed({
          _tag: "Finish",
          response: summary(response, response.content.value, steps, messages)
        })
      }
      if (steps.length >= maxSteps) return Stream.fail(exceeded(maxSteps, steps, messages))
      return Stream.concat(results(response.toolCalls), step())
    }

    const step = (): Stream.Stream<ToolsStreamPart<A>, Failure<E>, R | R2> =>
      Stream.suspend(() => {
        let last: Response.Response<Option.Option<A>> | undefined
        const parts = ask({
          ...request,
          prompt: [...messages],
          // A forced call is forced once: else there would never be an answer.
          ...(steps.length === 0 ? {} : { toolChoice: options.toolChoice === "none" ? "none" : "auto" }),
          output: Output.orToolCalls(output)
        })
        const told = Stream.map(parts, (part): ToolsStreamPart<A> => {
          if (part._tag !== "Finish") return part
          last = part.response
          steps.push(last)
          messages.push(last.message)
          return { _tag: "StepEnd", step: steps.length, response: last }
        })
        return Stream.concat(
          told,
          Stream.suspend(() => last === undefined ? Stream.fail(LLMError.withoutFinish()) : after(last))
        )
      })
    return step()
  })

const success = (call: Response.ToolCall, given: unknown): Prompt.ToolResultPart => {
  if (!(given instanceof Tool.Result)) return Prompt.toolResult(call, toJson(given))
  const { isError, media, value } = given
  return Prompt.toolResult(call, toJson(value), { isError, media })
}

const failure = (call: Response.ToolCall, message: string): Prompt.ToolResultPart =>
  Prompt.toolResult(call, `Error: ${message}`, { isError: true })

const describe = (error: unknown): string => {
  if (error === undefined || error === null) return "the tool failed"
  return error instanceof Error ? error.message : typeof error === "string" ? error : JSON.stringify(toJson(error))
}

const describeIssues = (issues: ReadonlyArray<LLMError.Issue>): string =>
  issues.map(({ message, path }) => path.length === 0 ? message : `${LLMError.formatPath(path)}: ${message}`).join("; ")

const totals = (steps: ReadonlyArray<Response.Response<unknown>>) => ({
  usage: Usage.sum(steps.map((step) => step.usage)),
  // The sum is known only when every part is.
  cost: Option.map(Option.all(steps.map((step) => step.cost)), Cost.sum)
})

const summary = <A>(
  last: Response.Response<unknown>,
  content: A,
  steps: ReadonlyArray<Response.Response<unknown>>,
  messages: ReadonlyArray<Prompt.Message>
): ToolsResponse<A> => ({
  ...last,
  ...totals(steps),
  content,
  duration: steps.reduce((sum, step) => Duration.sum(sum, step.duration), Duration.zero),
  attempts: steps.flatMap((step) => step.attempts),
  warnings: steps.flatMap((step) => step.warnings).filter((warning, i, all) =>
    all.findIndex((other) => other.message === warning.message) === i
  ),
  steps,
  messages
})

const exceeded = (
  maxSteps: number,
  steps: ReadonlyArray<Response.Response<unknown>>,
  messages: ReadonlyArray<Prompt.Message>
): LLMError.ToolStepsExceededError => {
  const { cost, usage } = totals(steps)
  const last = steps[steps.length - 1]
  return new LLMError.ToolStepsExceededError({
    provider: last?.provider ?? "unknown",
    model: last?.model ?? "unknown",
    attempts: steps.flatMap((step) => step.attempts),
    usage,
    cost: Option.getOrUndefined(cost),
    maxSteps,
    messages
  })
}
