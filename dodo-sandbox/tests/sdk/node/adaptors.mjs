// Delivers every event type to the SDK's `unwrap` and to the Express, Hono and better-auth adaptors.
// With `--docs` it writes the table of the events that an adaptor refuses.
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { Webhooks as expressWebhooks } from "@dodopayments/express";
import { dodopayments, webhooks } from "@dodopayments/better-auth";
import { Webhooks as honoWebhooks } from "@dodopayments/hono";
import { betterAuth } from "better-auth";
import { memoryAdapter } from "better-auth/adapters/memory";
import DodoPayments from "dodopayments";
import express from "express";
import { Hono } from "hono";
import { events } from "./derive.mjs";
import { KEY, SECRET, start } from "./sandbox.mjs";

const pagePath = new URL("../refused-events.md", import.meta.url);
const arrived = new Map();
const receiver = createServer((request, answer) => {
  let body = "";
  request.on("data", (data) => { body += data; });
  request.on("end", () => {
    const { type } = JSON.parse(body);
    if (!arrived.has(type)) arrived.set(type, { body, headers: request.headers });
    answer.end();
  });
}).listen(0, "127.0.0.1");
await new Promise((resolve) => receiver.once("listening", resolve));

const sandbox = await start({ newest_fields: false });
const client = new DodoPayments({ bearerToken: KEY, baseURL: sandbox.url, webhookKey: SECRET, maxRetries: 0 });
await sandbox.control("POST", "/webhooks", { url: `http://127.0.0.1:${receiver.address().port}/` });
const wait = async (done) => {
  for (let turn = 0; turn < 400 && !done(); turn += 1) await new Promise((resolve) => setTimeout(resolve, 25));
};
for (const type of Object.keys(events)) {
  await sandbox.control("POST", "/trigger", { type });
}
await wait(() => arrived.size >= 48);
sandbox.stop();
receiver.close();

const app = express();
app.use(express.json());
const seen = { express: 0, hono: 0, "better-auth": 0 };
app.post("/hook", expressWebhooks({ webhookKey: SECRET, onPayload: () => { seen.express += 1; } }));
const server = app.listen(0, "127.0.0.1");
await new Promise((resolve) => server.once("listening", resolve));
const hono = new Hono();
hono.post("/hook", honoWebhooks({ webhookKey: SECRET, onPayload: () => { seen.hono += 1; } }));
const auth = betterAuth({
  baseURL: "http://127.0.0.1",
  secret: "a secret that is long enough for the check",
  database: memoryAdapter({ user: [], session: [], account: [], verification: [] }),
  logger: { disabled: true },
  plugins: [dodopayments({ client, createCustomerOnSignUp: false, use: [webhooks({ webhookKey: SECRET, onPayload: () => { seen["better-auth"] += 1; } })] })],
});

const quiet = console.error;
console.error = () => {};
const receive = {
  unwrap: async ({ body, headers }) => (client.webhooks.unwrap(body, { headers }), 200),
  express: async ({ body, headers }) => (await fetch(`http://127.0.0.1:${server.address().port}/hook`, { method: "POST", body, headers: pick(headers) })).status,
  hono: async ({ body, headers }) => (await hono.request("/hook", { method: "POST", body, headers: pick(headers) })).status,
  "better-auth": async ({ body, headers }) => (await auth.handler(new Request("http://127.0.0.1/api/auth/dodopayments/webhooks", { method: "POST", body, headers: pick(headers) }))).status,
};
const pick = (headers) => Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith("webhook-") || name === "content-type"));

const refused = new Map();
const totals = [];
for (const [name, take] of Object.entries(receive)) {
  let taken = 0;
  for (const type of Object.keys(events)) {
    const delivery = arrived.get(type);
    const status = delivery ? await take(delivery).catch(() => 401) : "not sent";
    if (status === 200) taken += 1;
    else refused.set(type, { ...refused.get(type), [name]: status });
  }
  if (name in seen && seen[name] !== taken) throw new Error(`${name}: ${taken} answers of 200, ${seen[name]} callbacks`);
  totals.push(`${name} ${taken}`);
}
console.error = quiet;
server.close();
const names = Object.keys(receive).slice(1);
const table = [`| event | ${names.join(" | ")} |`, `|---|${names.map(() => "---|").join("")}`, ...[...refused].sort().map(([type, by]) => `| \`${type}\` | ${names.map((name) => (by[name] ? `refuses (${by[name]})` : "takes")).join(" | ")} |`)];
const page = `# Events that the Node adaptors refuse\n\nThe sandbox delivers all 48 event types. The SDK's \`unwrap\` takes each of them. These adaptors refuse\nvalid events, because their copies of the schemas are older than the API. \`node adaptors.mjs --docs\`\nwrites this page.\n\n${table.join("\n")}\n`;
if (process.argv.includes("--docs")) writeFileSync(pagePath, page);
const same = readFileSync(pagePath, "utf8") === page;
if (!same) console.log("refused-events.md differs: run node adaptors.mjs --docs");
console.log(`events: ${arrived.size} of 48 types acted out and delivered; taken by ${totals.join(", ")}`);
const good = arrived.size === 48 && totals[0] === "unwrap 48" && same;
process.exit(good ? 0 : 1);
