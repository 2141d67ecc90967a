/** What can be asked for, in the one form that the clients of OpenAI and of Anthropic both read. */
export const of = (models: ReadonlyArray<string>, now: number): object => ({
  object: "list",
  data: models.map((id) => ({
    id,
    object: "model",
    type: "model",
    created: Math.floor(now / 1000),
    created_at: new Date(now).toISOString(),
    display_name: id,
    owned_by: "majordomo"
  })),
  has_more: false,
  first_id: models[0] ?? null,
  last_id: models.at(-1) ?? null
})
