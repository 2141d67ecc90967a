/** How often a property is tried: seldom with every change, often in `npm run soak`. */
export const isSoak = process.env["SOAK"] === "1"

export const runs = (few: number, many: number): number => isSoak ? many : few
