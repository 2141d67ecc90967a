/** Pieces of bytes as one. */

export const joined = (pieces: ReadonlyArray<Uint8Array>): Uint8Array<ArrayBuffer> => {
  const all = new Uint8Array(pieces.reduce((size, { length }) => size + length, 0))
  let at = 0
  for (const piece of pieces) {
    all.set(piece, at)
    at += piece.length
  }
  return all
}

/** The same without a copy where there is one. */
export const asOne = (pieces: ReadonlyArray<Uint8Array>): Uint8Array => {
  const [first] = pieces
  return first !== undefined && pieces.length === 1 ? first : joined(pieces)
}
