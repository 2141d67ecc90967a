/**
 * For tests: scripted models, recorded HTTP, and a real server that speaks the providers' wires.
 *
 * @since 0.1.0
 */
export * as FakeProvider from "./FakeProvider.ts"
export * as Replay from "./Replay.ts"
export * as TestLLM from "./TestLLM.ts"
