/** The wires there are, by the names of their folders. */
export type WireName = "chat-completions" | "responses" | "messages" | "generate-content" | "cohere" | "converse"
