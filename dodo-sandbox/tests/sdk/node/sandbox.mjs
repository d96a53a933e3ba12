// Starts the sandbox for a check.
import { spawn } from "node:child_process";

export const KEY = "sk_check";
export const SECRET = "whsec_Y2hlY2tjaGVja2NoZWNrY2hlY2tjaGVja2NoZWNr";

/** A running sandbox, with functions for its control API. */
export async function start(behavior = {}, key = KEY) {
  const program = process.env.DODO_SANDBOX ?? "../../../../target/debug/dodo-sandbox";
  const child = spawn(program, ["--port", "0", "--api-key", key, "--webhook-secret", SECRET], { stdio: ["ignore", "pipe", "inherit"] });
  const url = await new Promise((resolve, reject) => {
    let text = "";
    child.stdout.on("data", (data) => {
      text += data;
      const found = text.match(/DODO_PAYMENTS_BASE_URL=(\S+)/);
      if (found) resolve(found[1]);
    });
    child.on("exit", (code) => reject(new Error(`the sandbox ended with ${code}: ${text}`)));
  });
  const control = async (method, path, body) => {
    const answer = await fetch(`${url}/__sandbox${path}`, { method, headers: { "content-type": "application/json" }, body: body && JSON.stringify(body) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text ? JSON.parse(text) : undefined;
  };
  const current = await control("GET", "/behavior");
  await control("PUT", "/behavior", { ...current, ...behavior });
  return { url, control, stop: () => child.kill("SIGINT") };
}
