// Runs the suite of a clone of github.com/dodopayments/dodopayments-typescript against the sandbox:
// node suite.mjs DIRECTORY [JEST ARGUMENTS]. The clone has its dependencies installed.
import { spawnSync } from "node:child_process";
import { start } from "./sandbox.mjs";

const [cwd, ...args] = process.argv.slice(2);
const sandbox = await start({ any_id: true }, "My Bearer Token");
const env = { ...process.env, TEST_API_BASE_URL: sandbox.url };
const { status } = spawnSync("node", ["node_modules/.bin/jest", "--maxWorkers=1", ...args], { cwd, env, stdio: "inherit" });
sandbox.stop();
process.exit(status);
