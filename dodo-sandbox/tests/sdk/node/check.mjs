// Runs all checks of this directory; the argument names the file for the recorded answers.
import { execFileSync } from "node:child_process";

const run = (...args) => execFileSync(process.execPath, args, { stdio: "inherit" });
run("merge.mjs", "--check");
run("methods.mjs");
run("methods.mjs", process.argv[2]);
run("adaptors.mjs");
