/**
 * A copy of an object with more fields: what a spread says, for what every call and every event goes through. On Node 20 each
 * field that is added to a spread copy costs a microsecond and more (measured on 20.20; 24 has no such price).
 */
export const withFields = <A extends object, B extends object>(object: A, fields: B): A & B =>
  Object.assign({}, object, fields)
