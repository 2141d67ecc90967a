/** The tool loop: ask, run the tools that were called side by side, tell the model, until it answers. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Cost from "../../Cost.ts"
import type { RunToolsOptions, Service, ToolsResponse } from "../../LLM.ts"
import * as LLMError from "../../LLMError.ts"
import * as Output from "../../Output.ts"
import * as Prompt from "../../Prompt.ts"
import type * as Response from "../../Response.ts"
import type * as Tool from "../../Tool.ts"
import * as Usage from "../../Usage.ts"
import { toJson } from "../json/toJson.ts"

const defaultSteps = 8

/** The handler's own failure, told apart from failures of the call until the end. */
class HandlerFailure<E> {
  readonly error: E
  constructor(error: E) {
    this.error = error
  }
}

export const run = <A, R, E, R2>(
  llm: Service,
  options: RunToolsOptions<ReadonlyArray<Tool.Executable<E, R2>>, "tell-model" | "fail">,
  output: Output.Output<A, R>
): Effect.Effect<ToolsResponse<A>, LLMError.LLMError | LLMError.ToolStepsExceededError | E, R | R2> => {
  const { concurrency, maxSteps = defaultSteps, onToolError, ...request } = options
  const tools = new Map(options.tools.map((tool) => [tool.name, tool]))
  const steps: Array<Response.Response<Option.Option<A>>> = []
  const messages = [...Prompt.toMessages(options.prompt)]

  const call = (toolCall: Response.ToolCall): Effect.Effect<Prompt.ToolResultPart, HandlerFailure<E>, R2> => {
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
      onSuccess: (result) => Effect.succeed(Prompt.toolResult(toolCall, toJson(result))),
      onFailure: (error) =>
        error instanceof Output.DecodeFailure
          ? Effect.succeed(failure(toolCall, `the arguments are wrong: ${describeIssues(error.issues)}`))
          : onToolError === "fail"
          // What is left of the union is the handler's own error.
          ? Effect.fail(new HandlerFailure(error as E))
          : Effect.succeed(failure(toolCall, describe(error)))
    })
  }

  const step: Effect.Effect<
    ToolsResponse<A>,
    LLMError.LLMError | LLMError.ToolStepsExceededError | HandlerFailure<E>,
    R | R2
  > = Effect.suspend(() =>
    Effect.flatMap(
      llm.generate({
        ...request,
        prompt: [...messages],
        // A forced call is forced once: else there would never be an answer.
        ...(steps.length === 0 ? {} : { toolChoice: options.toolChoice === "none" ? "none" : "auto" }),
        output: Output.orToolCalls(output)
      }),
      (response) => {
        steps.push(response)
        messages.push(response.message)
        if (Option.isSome(response.content) && response.toolCalls.length === 0) {
          return Effect.succeed(summary(response, response.content.value, steps, messages))
        }
        if (steps.length >= maxSteps) return Effect.fail(exceeded(maxSteps, steps, messages))
        return Effect.flatMap(
          Effect.forEach(response.toolCalls, call, { concurrency: concurrency ?? "unbounded" }),
          (results) => {
            messages.push(Prompt.tool(results))
            return step
          }
        )
      }
    )
  )
  return Effect.mapError(step, (error) => error instanceof HandlerFailure ? error.error : error)
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
