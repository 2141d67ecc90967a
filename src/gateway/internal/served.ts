/** The protocols that clients may speak to an LLM, whatever its provider speaks. */
import { serve as chatCompletions } from "../../internal/wires/chat-completions/serve.ts"
import { serve as generateContent } from "../../internal/wires/generate-content/serve.ts"
import { serve as messages } from "../../internal/wires/messages/serve.ts"
import { serve as responses } from "../../internal/wires/responses/serve.ts"
import type { Serve } from "../../internal/wires/serving.ts"

export type ServedWire = "chat-completions" | "responses" | "messages" | "generate-content"

export const served: Readonly<Record<ServedWire, Serve>> = {
  "chat-completions": chatCompletions,
  responses,
  messages,
  "generate-content": generateContent
}
