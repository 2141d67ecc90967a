import type { BuildOptions } from "esbuild"

export const options: BuildOptions & { readonly splitting: true; readonly banner: { readonly js: string } }
