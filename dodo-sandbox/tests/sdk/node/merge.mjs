// Adds to contract/api.json what the TypeScript SDK declares and the contract lacks: operations,
// fields, enum values, event types. Each addition carries `x-source`. Running it again changes
// nothing. `contract/differences.md` lists the additions.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { events, methods, version } from "./derive.mjs";

const file = fileURLToPath(new URL("../../../contract/api.json", import.meta.url));
const list = fileURLToPath(new URL("../../../contract/differences.md", import.meta.url));
const contract = JSON.parse(readFileSync(file));
const SDK = `dodopayments-typescript ${version}`;
const RUST = "dodopayments-rust 1.127.0";

const deref = (schema) => {
  while (schema?.$ref) schema = contract.components.schemas[schema.$ref.split("/").at(-1)];
  return schema;
};
/** The schema without its `null` branch. */
const present = (schema) => {
  schema = deref(schema);
  const rest = schema?.oneOf?.filter((part) => part.type !== "null");
  return rest?.length === 1 ? present(rest[0]) : schema;
};
const kindOf = (schema) => {
  schema = present(schema);
  const properties = { ...(schema?.properties ?? {}) };
  for (const part of schema?.allOf ?? []) Object.assign(properties, present(part).properties);
  return (properties.type ?? properties.payload_type)?.enum?.join();
};

const mark = (schema) => ({ ...schema, "x-source": SDK });
const seen = new Set();

/** Adds to `target` what `source` has beyond it. `answers`: the SDK also decides what is required. */
function merge(target, source, answers, where) {
  target = present(target);
  source = present(source);
  if (!target || !source) return;
  for (const part of target.allOf ?? []) {
    if (present(part).properties && !present(part).properties.type) merge(part, without(source, "type"), answers, where);
  }
  if (target.oneOf && source.oneOf) {
    const names = (schema) => Object.keys(present(schema)?.properties ?? {});
    for (const part of source.oneOf) {
      const common = (own) => names(own).filter((name) => names(part).includes(name)).length;
      const twin = kindOf(part)
        ? target.oneOf.find((own) => kindOf(own) === kindOf(part))
        : [...target.oneOf].sort((a, b) => common(b) - common(a)).find((own) => common(own) > 0);
      if (twin) merge(twin, part, answers, where);
    }
  }
  if (target.enum && source.enum) {
    const more = source.enum.filter((value) => !target.enum.includes(value));
    if (more.length > 0) {
      target.enum.push(...more);
      target["x-source-values"] = [...(target["x-source-values"] ?? []), ...more];
    }
  }
  if (target.items && source.items) merge(target.items, source.items, answers, `${where}[]`);
  if (target.additionalProperties && source.additionalProperties) merge(target.additionalProperties, source.additionalProperties, answers, where);
  if (!target.properties || !source.properties) return;
  for (const [name, schema] of Object.entries(source.properties)) {
    if (!target.properties[name]) {
      target.properties[name] = mark(schema);
    } else if (!target.properties[name]["x-source"]) {
      merge(target.properties[name], schema, answers, `${where}.${name}`);
    }
    const [wanted, needed] = [source.required?.includes(name), target.required?.includes(name)];
    if (answers && wanted && !needed) target.required = [...(target.required ?? []), name].sort();
    if (!answers && !wanted && needed) target.required = target.required.filter((own) => own !== name);
  }
}

const without = (schema, name) => {
  const { [name]: _, ...properties } = schema.properties ?? {};
  return { ...schema, properties, required: schema.required?.filter((own) => own !== name) };
};

const shape = (path) => path.replace(/\$?\{[^}]*\}/g, "{}");
const json = (schema) => ({ content: { "application/json": { schema } } });

for (const method of methods) {
  const path = Object.keys(contract.paths).find((own) => shape(own) === shape(method.path)) ?? method.path.replaceAll("${", "{");
  const paths = (contract.paths[path] ??= { options: { responses: { 204: {} } } });
  if (!paths[method.verb]) {
    const query = method.use === "query" || !method.use ? Object.entries(method.params?.properties ?? {}) : [];
    const inPath = [...path.matchAll(/\{(.*?)\}/g)].map(([, name]) => ({ name, in: "path", required: true, schema: { type: "string" } }));
    paths[method.verb] = {
      operationId: `sdk_${method.name.replaceAll(".", "_")}`,
      "x-source": SDK,
      parameters: [...inPath, ...query.map(([name, schema]) => ({ name, in: "query", required: false, schema: present(schema) }))],
      ...(method.use === "body" && method.params ? { requestBody: { ...json(method.params), required: true } } : {}),
      responses: { 200: method.answer ? json(method.answer) : {} },
      security: [{ API_KEY: [] }],
    };
    continue;
  }
  const operation = paths[method.verb];
  if (operation["x-source"]) continue;
  if (method.use === "body" && method.params && operation.requestBody) {
    merge(Object.values(operation.requestBody.content)[0].schema, method.params, false, method.name);
  }
  if (method.use === "query" && method.params) {
    for (const [name, schema] of Object.entries(method.params.properties ?? {})) {
      const own = operation.parameters?.find((parameter) => parameter.name === name);
      if (own) merge(own.schema, schema, false, method.name);
      else (operation.parameters ??= []).push({ name, in: "query", required: false, schema: mark(present(schema)) });
    }
  }
  const [, response] = Object.entries(operation.responses).find(([status]) => status.startsWith("2"));
  if (method.answer && Object.keys(method.answer).length > 0) {
    if (response.content?.["application/json"]) merge(response.content["application/json"].schema, method.answer, true, method.name);
    else if (!response.content) Object.assign(response, json(mark(method.answer)));
  }
}

for (const [type, schema] of Object.entries(events)) {
  const own = contract.webhooks[type];
  if (own) {
    merge(own.post.requestBody.content["application/json"].schema, schema, true, type);
    continue;
  }
  contract.webhooks[type] = { "x-source": SDK, post: { requestBody: { ...json(schema), required: true }, responses: { 200: {}, 400: {}, 401: {} } } };
}

// The newest Rust crate declares these fields; `x-newest` lets a sandbox leave them out.
const text = { type: ["string", "null"] };
const newest = {
  PaymentResponse: {
    charge_type: { type: ["string", "null"], enum: ["new", "renewal", "plan_change", "on_demand", null] },
    includes_usage: { type: "boolean" },
    service_periods: { type: "array", items: { type: "object", properties: { subscription_id: { type: "string" }, starts_at: { type: "string", format: "date-time" }, ends_at: { type: "string", format: "date-time" }, proration_factor: { type: "string" } }, required: ["subscription_id", "starts_at", "ends_at", "proration_factor"] } },
    card_exp_month: text, card_exp_year: text, three_ds_flow: text, three_ds_status: text, three_ds_version: text,
  },
  SubscriptionResponse: { cancelled_by: { type: ["object", "null"], properties: { actor_type: { type: "string" }, email: text, name: text }, required: ["actor_type"] } },
  RefundResponse: { network_reference: text, network_reference_type: text, network_reference_updated_at: text },
};
newest.PaymentLineItemsResponse = { partial_refund_allowed: { type: "boolean" } };
newest.LineItemSummary = { customer_credits_currency: { $ref: "#/components/schemas/Currency" } };
newest.GetPaymentsListResponseItem = { ...newest.PaymentResponse, retry_attempt: { type: "integer", format: "int32" } };
for (const [name, fields] of Object.entries(newest)) {
  const target = name === "GetPaymentsListResponseItem"
    ? present(present(contract.paths["/payments"].get.responses[200].content["application/json"].schema).properties.items.items)
    : contract.components.schemas[name];
  for (const [field, schema] of Object.entries(fields)) target.properties[field] ??= { ...schema, "x-source": RUST, "x-newest": true };
}
// Webhooks carry the end of the grace period; the REST object does not.
contract.components.schemas.SubscriptionResponse.properties.past_due_ends_at["x-events-only"] = true;
const pastDue = structuredClone(contract.webhooks["subscription.on_hold"]);
pastDue["x-source"] = SDK;
pastDue.post.requestBody.content["application/json"].schema.properties.type.enum = ["subscription.past_due"];
contract.webhooks["subscription.past_due"] = pastDue;

// `WebhookPayload` of the SDK has the long form of a dispute.
for (const type of Object.keys(contract.webhooks).filter((type) => type.startsWith("dispute."))) {
  contract.webhooks[type].post.requestBody.content["application/json"].schema.properties.data = { $ref: "#/components/schemas/GetDisputeResponse", "x-source": SDK };
}

// One definition for each long list of values.
const shared = new Map(Object.entries(contract.components.schemas).filter(([, schema]) => schema.enum?.length > 12).map(([name, schema]) => [[...schema.enum].sort().join(), name]));
const share = (value, top) => {
  if (!value || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map((part) => share(part));
  const name = !top && Array.isArray(value.enum) && shared.get([...value.enum].sort().join());
  if (name) return { $ref: `#/components/schemas/${name}`, ...(value["x-source"] ? { "x-source": value["x-source"] } : {}) };
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, share(part)]));
};
contract.components.schemas = Object.fromEntries(Object.entries(contract.components.schemas).map(([name, schema]) => [name, schema.enum ? schema : share(schema)]));
contract.paths = share(contract.paths);
contract.webhooks = share(contract.webhooks);

const stable = (value) => Array.isArray(value) ? value.map(stable) : value && typeof value === "object" ? Object.fromEntries(Object.keys(value).sort().map((key) => [key, stable(value[key])])) : value;
const sorted = stable(contract);
const section = (name, entries) => `${JSON.stringify(name)}:{\n${Object.entries(entries).map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(",\n")}\n}`;
const before = [file, list].map((path) => (existsSync(path) ? readFileSync(path, "utf8") : ""));
writeFileSync(file, `{"openapi":${JSON.stringify(sorted.openapi)},"info":${JSON.stringify(sorted.info)},\n"components":{"schemas":{\n${Object.entries(sorted.components.schemas).map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(",\n")}\n}},\n${section("paths", sorted.paths)},\n${section("webhooks", sorted.webhooks)}}\n`);

const rows = [];
const walk = (value, path) => {
  if (!value || typeof value !== "object") return;
  if (value["x-source"]) rows.push([path, value["x-source"]]);
  if (value["x-source-values"]) rows.push([`${path}: ${value["x-source-values"].join(", ")}`, SDK]);
  if (value["x-source"]) return;
  for (const [key, child] of Object.entries(value)) walk(child, `${path} ${key}`);
};
walk(sorted.components.schemas, "");
walk(sorted.paths, "");
walk(sorted.webhooks, "");
const tidy = (path) => path.trim().replace(/ (properties|responses|content|application\/json|schema|requestBody|post requestBody) /g, " ").replaceAll(" properties ", ".").replaceAll(" oneOf ", " / ");
writeFileSync(list, `# Differences between the contract and the official clients\n\nThe contract is the API's description, version ${contract.info.version}. Where an official client declares more, the client decides. \`merge.mjs\` in \`tests/sdk/node\` writes this page and the additions in \`api.json\`.\n\n| addition | source |\n|---|---|\n${rows.map(([path, source]) => `| \`${tidy(path)}\` | ${source} |`).join("\n")}\n`);
console.log(`${rows.length} additions, ${Object.keys(contract.paths).length} paths, ${Object.keys(contract.webhooks).length} event types`);
const changed = [file, list].some((path, at) => readFileSync(path, "utf8") !== before[at]);
if (process.argv.includes("--check") && changed) {
  console.error("the contract lacked declarations of the SDK; commit the changes of contract/");
  process.exit(1);
}
