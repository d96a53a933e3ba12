// Sends a Node program's calls of Dodo Payments to the sandbox, whatever its SDK or adaptor is set to:
//   node --import ./redirect.mjs app.mjs
// The sandbox's address is DODO_SANDBOX_URL. Default: http://127.0.0.1:4010.
import http from "node:http";
import https from "node:https";
import { syncBuiltinESMExports } from "node:module";

const hosts = new Set([
  "live.dodopayments.com",
  "test.dodopayments.com",
  "checkout.dodopayments.com",
  "test.checkout.dodopayments.com",
]);
const sandbox = new URL(process.env.DODO_SANDBOX_URL ?? "http://127.0.0.1:4010");

function redirected(address) {
  let url;
  try {
    url = new URL(address);
  } catch {
    return undefined; // A relative address, or not an address.
  }
  if (!hosts.has(url.hostname)) return undefined;
  return new URL(url.pathname + url.search, sandbox);
}

const { fetch } = globalThis;
globalThis.fetch = (input, init) => {
  if (input instanceof Request) {
    const url = redirected(input.url);
    return fetch(url ? new Request(url, input) : input, init);
  }
  return fetch(redirected(input) ?? input, init);
};

// Clients on node:https, such as axios.
for (const name of ["request", "get"]) {
  const original = https[name];
  https[name] = (first, ...rest) => {
    const isOptions = !(first instanceof URL) && typeof first === "object";
    const address = isOptions
      ? `https://${first.hostname ?? first.host}${first.path ?? "/"}`
      : String(first);
    const url = redirected(address);
    if (!url) return original.call(https, first, ...rest);
    const options = isOptions ? first : typeof rest[0] === "object" ? rest.shift() : {};
    return http[name]({
      ...options,
      agent: undefined,
      protocol: url.protocol,
      host: url.hostname,
      hostname: url.hostname,
      port: url.port,
      path: url.pathname + url.search,
      headers: { ...options.headers, host: url.host },
    }, ...rest);
  };
}
syncBuiltinESMExports();
