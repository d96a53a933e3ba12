// node --test
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { startSandbox } from "./sandbox.mjs";
import { createShop } from "./shop.mjs";

let sandbox, shop, url;

before(async () => {
  sandbox = await startSandbox();
  shop = createShop({
    apiKey: sandbox.env.DODO_PAYMENTS_API_KEY,
    webhookKey: sandbox.env.DODO_PAYMENTS_WEBHOOK_KEY,
    baseUrl: sandbox.env.DODO_PAYMENTS_BASE_URL,
  });
  shop.server.listen(0, "127.0.0.1");
  await once(shop.server, "listening");
  url = `http://127.0.0.1:${shop.server.address().port}`;
  await sandbox.control("/webhooks", { url: `${url}/webhook` });
  await sandbox.control("/products", {
    product_id: "pdt_book", name: "Book", currency: "USD", price: 2900,
  });
});

after(async () => {
  shop.server.close();
  shop.server.closeAllConnections();
  await sandbox.stop();
});

async function buy(visitor) {
  const order = { product: "pdt_book", visitor, email: "ada@example.com" };
  const answer = await fetch(`${url}/buy`, { method: "POST", body: JSON.stringify(order) });
  assert.equal(answer.status, 200);
  return (await answer.json()).session_id;
}

test("a paid checkout becomes one order of its visitor", async () => {
  const session = await buy("v_1");
  const paid = await sandbox.control(`/sessions/${session}/pay`, { card: "4242424242424242" });
  const deliveries = await sandbox.idle();
  assert.equal(shop.orders.get(paid.payment_id).visitor, "v_1");
  const delivery = deliveries.find(({ type }) => type === "payment.succeeded");
  await sandbox.control(`/deliveries/${delivery.id}/resend`);
  await sandbox.idle();
  assert.equal(shop.orders.size, 1);
});

test("a declined card becomes no order", async () => {
  const { size } = shop.orders;
  const session = await buy("v_2");
  const paid = await sandbox.control(`/sessions/${session}/pay`, { card: "4000000000000002" });
  assert.equal(paid.status, "failed");
  await sandbox.idle();
  assert.equal(shop.orders.size, size);
});

test("every event type is accepted, and a wrong signature is not", async () => {
  for (const type of ["payout.success", "credit.added", "dispute.lost"]) {
    await sandbox.control("/trigger", { type });
  }
  const deliveries = await sandbox.idle();
  assert.deepEqual(new Set(deliveries.map(({ attempts }) => attempts.at(-1).status)), new Set([200]));
  const forged = await fetch(`${url}/webhook`, {
    method: "POST",
    headers: { "webhook-id": "msg_1", "webhook-timestamp": `${Date.now() / 1000 | 0}`, "webhook-signature": "v1,AAAA" },
    body: "{}",
  });
  assert.equal(forged.status, 401);
});

test("the hook sends calls of Dodo's hosts to the sandbox", () => {
  const program = `
    import https from "node:https";
    const headers = { authorization: "Bearer ${sandbox.env.DODO_PAYMENTS_API_KEY}" };
    const byFetch = await fetch("https://test.dodopayments.com/products/pdt_book", { headers });
    console.log((await byFetch.json()).product_id);
    https.get("https://live.dodopayments.com/products/pdt_book", { headers }, (answer) => {
      console.log(answer.statusCode);
      answer.resume();
    });`;
  const hook = new URL("../../node/redirect.mjs", import.meta.url).pathname;
  const run = spawnSync(process.execPath, ["--import", hook, "--input-type=module", "-e", program], {
    env: { ...process.env, DODO_SANDBOX_URL: sandbox.env.DODO_PAYMENTS_BASE_URL },
    encoding: "utf8",
  });
  assert.equal(run.stdout, "pdt_book\n200\n", run.stderr);
});
