/** Errors with other fields. */

/** A copy through the prototype keeps class, cause and stack; the constructor would validate everything again. */
export const copyWith = <E extends Error>(error: E, fields: Readonly<Record<string, unknown>>): E => {
  // What is made of all its descriptors is what it was.
  const copy = Object.create(Object.getPrototypeOf(error), Object.getOwnPropertyDescriptors(error)) as E
  for (const [name, value] of Object.entries(fields)) {
    const enumerable = Object.getOwnPropertyDescriptor(error, name)?.enumerable ?? true
    Object.defineProperty(copy, name, { value, enumerable, configurable: true, writable: true })
  }
  return copy
}
