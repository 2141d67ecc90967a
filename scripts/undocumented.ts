/** Fields of public interfaces that say nothing on hover. */
import { readdirSync, readFileSync } from "node:fs"
import ts from "typescript"

const isPublic = (path: string): boolean =>
  path.endsWith(".ts") && !/(^|\/)(internal|cli)\//.test(path) && path !== "bin.ts" && path !== "index.ts"

const hasDoc = (node: ts.Node): boolean => ts.getJSDocCommentsAndTags(node).length > 0

const isExported = (node: ts.InterfaceDeclaration | ts.TypeAliasDeclaration): boolean =>
  node.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) ?? false

/** A tag says itself. */
const isTag = (member: ts.TypeElement): boolean =>
  member.name === undefined ||
  (ts.isPropertySignature(member) && member.type !== undefined && ts.isLiteralTypeNode(member.type))

/** The JSON of something: its fields are told of where they are decoded. */
const isEncoded = (name: string): boolean => name.endsWith("Encoded")

/** The name is another's. */
const isForeign = (member: ts.TypeElement): boolean => member.name?.getText() === "\"~standard\""

/** `Module Interface.field`, of every one that has no documentation. */
export const undocumented = (root: string): ReadonlyArray<string> =>
  readdirSync(root, { recursive: true, encoding: "utf8" }).filter(isPublic).sort().flatMap((path) => {
    const file = ts.createSourceFile(path, readFileSync(`${root}/${path}`, "utf8"), ts.ScriptTarget.Latest, true)
    return file.statements.flatMap((statement) => {
      const members = ts.isInterfaceDeclaration(statement)
        ? statement.members
        : ts.isTypeAliasDeclaration(statement) && ts.isTypeLiteralNode(statement.type)
        ? statement.type.members
        : undefined
      if (members === undefined || !(ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement))) {
        return []
      }
      if (!isExported(statement) || isEncoded(statement.name.text)) return []
      return members.filter((member) => !hasDoc(member) && !isTag(member) && !isForeign(member)).map((member) =>
        `${path.replace(/\.ts$/, "")} ${statement.name.text}.${member.name?.getText() ?? "()"}`
      )
    })
  })
