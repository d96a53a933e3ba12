// Calls every method of the TypeScript SDK and compares its answer with the declared type.
import { writeFileSync } from "node:fs";
import DodoPayments from "dodopayments";
import { calls } from "./calls.mjs";
import { methods, version } from "./derive.mjs";
import { KEY, start } from "./sandbox.mjs";
import { faults } from "./shape.mjs";

// With a file to record to, the sandbox adds the fields that newer clients declare.
const [file] = process.argv.slice(2);
const sandbox = await start({ newest_fields: file !== undefined });
const recorded = [];
/** Records answers for the checks in other languages. */
const record = async (url, init) => {
  const answer = await fetch(url, init);
  const path = new URL(url).pathname;
  const fits = (own) => own.verb === init.method.toLowerCase() && new RegExp(`^${own.path.replace(/\$\{.*?\}/g, "[^/]+")}$`).test(path);
  const method = methods.filter(fits).sort((a, b) => a.path.split("${").length - b.path.split("${").length)[0];
  if (method) recorded.push({ name: method.name, verb: method.verb, path: method.path.replaceAll("${", "{"), status: answer.status, type: answer.headers.get("content-type"), body: await answer.clone().text() });
  return answer;
};
const client = new DodoPayments({ bearerToken: KEY, baseURL: sandbox.url, maxRetries: 0, fetch: record });
const called = new Map();
const wrong = [];
try {
  for await (const [name, args, take] of calls(sandbox)) {
    const method = methods.find((own) => own.name === name);
    const parts = name.split(".");
    const owner = parts.slice(0, -1).reduce((object, part) => object[part], client);
    let answer;
    try {
      const { data, response } = await owner[parts.at(-1)](...args).withResponse();
      answer = method.page ? (data.data ? { data: data.data, iterator: data.iterator, done: data.done } : { items: data.items }) : data;
      const problems = method.answer && !file ? faults(method.answer, answer, "") : [];
      if (method.answer === null && answer && !response.headers.get("content-type")?.includes("csv")) problems.push("an answer where the type has none");
      const sample = response.headers.get("x-sandbox") === "sample";
      called.set(name, { state: !sample, problems: [...(called.get(name)?.problems ?? []), ...problems] });
    } catch (error) {
      called.set(name, { state: false, problems: [String(error).slice(0, 300)] });
    }
    if (take) take(answer ?? {});
  }
} finally {
  sandbox.stop();
}
// The fullest answer of each method first.
if (file) writeFileSync(file, JSON.stringify(recorded.sort((a, b) => b.body.length - a.body.length)));
for (const method of methods) {
  const result = called.get(method.name);
  if (!result) wrong.push(`${method.name}: not called`);
  else if (result.problems.length > 0) wrong.push(`${method.name}: ${result.problems.slice(0, 3).join("; ")}`);
}
for (const line of wrong) console.log(line);
const state = [...called.values()].filter((result) => result.state).length;
if (!file) console.log(`typescript ${version}: ${methods.length - wrong.length} of ${methods.length} methods answer the declared type, ${state} from state`);
process.exit(wrong.length === 0 ? 0 : 1);
