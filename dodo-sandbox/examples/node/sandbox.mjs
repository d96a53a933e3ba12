// Starts a sandbox for a test, and steers it by its control API.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

export async function startSandbox(args = []) {
  const program = process.env.DODO_SANDBOX_PROGRAM ?? "dodo-sandbox";
  const child = spawn(program, ["serve", "--port", "0", "--clock-rate", "0", ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const env = {};
  for await (const line of createInterface({ input: child.stdout })) {
    const [, name, value] = line.match(/^ *export (\w+)=(.*)$/) ?? [];
    if (name) env[name] = value;
    if (line.startsWith("Open ")) break;
  }
  const url = env.DODO_PAYMENTS_BASE_URL;
  const call = async (method, path, body) => {
    const answer = await fetch(url + path, {
      method,
      headers: {
        authorization: `Bearer ${env.DODO_PAYMENTS_API_KEY}`,
        "content-type": "application/json",
      },
      body: body && JSON.stringify(body),
    });
    const json = await answer.json();
    if (!answer.ok) throw new Error(`${method} ${path}: ${json.message}`);
    return json;
  };
  return {
    env,
    call,
    control: (path, body = {}) => call("POST", `/__sandbox${path}`, body),
    /** Waits until no delivery is under way. */
    async idle() {
      for (;;) {
        const deliveries = await call("GET", "/__sandbox/deliveries");
        const { now } = await call("GET", "/__sandbox/clock");
        const busy = ({ state, due }) => state === "sending" || (state === "scheduled" && due <= now);
        if (!deliveries.some(busy)) return deliveries;
      }
    },
    stop: () => new Promise((resolve) => child.once("exit", resolve) && child.kill("SIGTERM")),
  };
}
