/** CRC-32 as in ISO 3309, one table step a byte. */
const table: Int32Array = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  return crc
})

export const crc32 = (data: Uint8Array, from = 0, to = data.length): number => {
  let crc = -1
  for (let i = from; i < to; i++) crc = (crc >>> 8) ^ (table[(crc ^ (data[i] ?? 0)) & 0xff] ?? 0)
  return (crc ^ -1) >>> 0
}
