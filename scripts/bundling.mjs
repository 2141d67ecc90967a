/** How programs of this package are bundled: all that they load in few files, so that they start in a fraction of the time. */

export const options = {
  bundle: true,
  splitting: true,
  // What is native or found at run time stays where it is.
  external: ["better-sqlite3", "pg-native", "ajv", "ajv-formats"],
  banner: {
    js: `import { createRequire as requireOf } from "node:module"; const require = requireOf(import.meta.url)`
  },
  format: "esm",
  platform: "node",
  target: "node20",
  logLevel: "warning"
}
