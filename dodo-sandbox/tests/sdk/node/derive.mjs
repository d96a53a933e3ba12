// Reads the declarations of the TypeScript SDK: each method with its verb, path, parameters and
// answer, and each webhook event, as JSON schemas.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import ts from "typescript";

const require = createRequire(import.meta.url);
const { default: DodoPayments } = await import("dodopayments");
const root = dirname(require.resolve("dodopayments"));
export const version = JSON.parse(readFileSync(join(root, "package.json"))).version;

const program = ts.createProgram([join(root, "client.d.ts")], {
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  target: ts.ScriptTarget.ES2022,
  strict: true,
  skipLibCheck: true,
});
const checker = program.getTypeChecker();

const typeOf = (symbol) => checker.getTypeOfSymbol(symbol);
const nameOf = (type) => type.symbol?.name ?? type.aliasSymbol?.name;

/** The JSON schema of a type. */
export function schemaOf(type, depth = 0) {
  const F = ts.TypeFlags;
  if (depth > 12 || type.flags & (F.Any | F.Unknown)) return {};
  if (type.flags & F.StringLiteral) return { type: "string", enum: [type.value] };
  if (type.flags & F.NumberLiteral) return { type: "number", enum: [type.value] };
  if (type.flags & F.Null) return { type: "null" };
  if (type.flags & F.StringLike) return { type: "string" };
  if (type.flags & F.NumberLike) return { type: "number" };
  if (type.flags & F.BooleanLike) return { type: "boolean" };
  if (type.isUnion()) return unionOf(type, depth);
  if (checker.isArrayType(type)) {
    return { type: "array", items: schemaOf(checker.getTypeArguments(type)[0], depth + 1) };
  }
  const index = type.getStringIndexType();
  const members = type.getProperties();
  if (index && members.length === 0) {
    return { type: "object", additionalProperties: schemaOf(index, depth + 1) };
  }
  const properties = {};
  const required = [];
  for (const member of members) {
    properties[member.name] = schemaOf(typeOf(member), depth + 1);
    if (!(member.flags & ts.SymbolFlags.Optional)) required.push(member.name);
  }
  return { type: "object", properties, required };
}

function unionOf(type, depth) {
  const F = ts.TypeFlags;
  const nullable = type.types.some((part) => part.flags & F.Null);
  const parts = type.types.filter((part) => !(part.flags & (F.Null | F.Undefined)));
  const literal = parts.filter((part) => part.flags & F.StringLiteral);
  let schema;
  if (parts.length > 0 && literal.length === parts.length) {
    schema = { type: "string", enum: literal.map((part) => part.value) };
  } else if (parts.every((part) => part.flags & F.BooleanLike)) {
    schema = { type: "boolean" };
  } else if (parts.length === 1) {
    schema = schemaOf(parts[0], depth);
  } else {
    schema = { oneOf: parts.map((part) => schemaOf(part, depth + 1)) };
  }
  return nullable ? { oneOf: [{ type: "null" }, schema] } : schema;
}

const client = new DodoPayments({ bearerToken: "none", baseURL: "http://127.0.0.1:9" });

function methodsBelow(type, instance, path) {
  const methods = [];
  for (const member of type.getProperties()) {
    if (member.name.startsWith("_") || typeof instance[member.name] === "undefined") continue;
    const memberType = typeOf(member);
    const signature = memberType.getCallSignatures()[0];
    const full = [...path, member.name];
    if (!signature) {
      methods.push(...methodsBelow(memberType, instance[member.name], full));
      continue;
    }
    const source = instance[member.name].toString();
    const call = source.match(/_client\.(get|post|put|patch|delete|getAPIList)\((?:path )?(?:\(0, path_1\.path\) ?)?[`'"](\/.*?)[`'"]/);
    const answer = signature.getReturnType();
    if (!call) continue; // `unwrap` and the like call no route.
    methods.push({ ...describe(signature, source, answer), name: full.join("."), verb: call[1] === "getAPIList" ? "get" : call[1], path: call[2] });
  }
  return methods;
}

function describe(signature, source, answer) {
  const parameters = signature.getParameters().map((parameter) => ({ name: parameter.name, schema: schemaOf(checker.getNonNullableType(typeOf(parameter))), type: nameOf(checker.getNonNullableType(typeOf(parameter))) }));
  const own = parameters.filter((parameter) => parameter.type !== "RequestOptions" && parameter.name !== "options");
  const taken = (source.match(/const \{ ([^}]*) \} = params/)?.[1] ?? "").split(",").map((name) => name.trim());
  const inPath = taken.filter((name) => name && source.includes("${" + name + "}"));
  const last = own.at(-1);
  const params = last && last.schema.type === "object" || last?.schema.oneOf ? last.schema : undefined;
  const use = /\{ body(,|:)|, body[ ,:]|\bbody,/.test(source.slice(source.indexOf("_client"))) ? "body" : /\bquery\b/.test(source.slice(source.indexOf("_client"))) ? "query" : undefined;
  const strip = (schema) => {
    if (!schema?.properties) return schema;
    const properties = Object.fromEntries(Object.entries(schema.properties).filter(([name]) => !inPath.includes(name)));
    return { ...schema, properties, required: schema.required.filter((name) => !inPath.includes(name)) };
  };
  const args = checker.getTypeArguments(answer);
  const kind = nameOf(answer);
  let schema;
  if (kind === "PagePromise") {
    const item = schemaOf(args[1]);
    const cursor = /Cursor/.test(checker.typeToString(answer));
    schema = cursor
      ? { type: "object", properties: { data: { type: "array", items: item }, iterator: { type: "string" }, done: { type: "boolean" } }, required: ["data", "iterator", "done"] }
      : { type: "object", properties: { items: { type: "array", items: item } }, required: ["items"] };
  } else if (args[0]?.flags & ts.TypeFlags.Void) {
    schema = null;
  } else {
    schema = nameOf(args[0]) === "Response" ? undefined : schemaOf(args[0]);
  }
  return { arguments: own.map((parameter) => parameter.name), paramsLast: params !== undefined, inPath, use, params: strip(params), answer: schema, page: kind === "PagePromise" };
}

const module = checker.getSymbolAtLocation(program.getSourceFile(join(root, "client.d.ts")));
const declared = checker.getExportsOfModule(module).find((symbol) => symbol.name === "DodoPayments");
/** Every method that calls a route. */
export const methods = methodsBelow(checker.getDeclaredTypeOfSymbol(declared), client, []);

const unwrapped = client.webhooks && checker
  .getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(join(root, "resources/webhooks/webhooks.d.ts"))))
  .find((symbol) => symbol.name === "UnwrapWebhookEvent");
/** The schema of each event, by its type. */
export const events = Object.fromEntries(
  checker.getDeclaredTypeOfSymbol(unwrapped).types.map((type) => {
    const schema = schemaOf(type);
    return [schema.properties.type.enum[0], schema];
  }),
);
