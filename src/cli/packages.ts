/** What to install for a part of the command that is not there: the newest of some packages is for another Effect. */

const versions: Readonly<Record<string, string>> = {
  "@effect/experimental": "0.61",
  "@effect/sql": "0.52",
  "@effect/sql-pg": "0.53",
  "@effect/sql-sqlite-node": "0.53"
}

export const installing = (...names: ReadonlyArray<string>): string =>
  `npm install ${names.map((name) => versions[name] === undefined ? name : `${name}@${versions[name]}`).join(" ")}`
