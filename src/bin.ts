#!/usr/bin/env node
/**
 * The `majordomo` command: `majordomo --help` says what it does.
 *
 * @since 0.1.0
 */
import { readFileSync } from "node:fs"
import * as nodeModule from "node:module"

// What Node has compiled once it need not compile again. Before 22.8 there is no such cache.
if ("enableCompileCache" in nodeModule && typeof nodeModule.enableCompileCache === "function") {
  nodeModule.enableCompileCache()
}

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"))
const { start } = await import("./cli/process.ts")
start(version)
