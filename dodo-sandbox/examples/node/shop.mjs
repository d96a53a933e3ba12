// A small shop: it opens checkouts at Dodo Payments and keeps an order per paid webhook.
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const TOLERANCE = 5 * 60;

/** Whether one of the signatures fits the raw body (Standard Webhooks). */
export function isSigned(headers, body, secret, now = Date.now() / 1000) {
  const [id, timestamp, signatures] = ["id", "timestamp", "signature"].map((n) => headers[`webhook-${n}`]);
  if (!id || !signatures || !(Math.abs(now - Number(timestamp)) <= TOLERANCE)) return false;
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const expected = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest();
  return signatures.split(" ").some((signature) => {
    const given = Buffer.from(signature.replace(/^v1,/, ""), "base64");
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
}

export function createShop({ apiKey, webhookKey, baseUrl = "https://live.dodopayments.com" }) {
  const orders = new Map(); // By payment, so that a second delivery changes nothing.
  const routes = {
    "POST /buy": async (request, body) => {
      const { product, visitor, email } = JSON.parse(body);
      const answer = await fetch(`${baseUrl}/checkouts`, {
        method: "POST",
        headers: { authorization: `Bearer ${apiKey}`, "content-type": "application/json" },
        body: JSON.stringify({
          product_cart: [{ product_id: product, quantity: 1 }],
          customer: { email, name: email },
          metadata: { visitor },
        }),
      });
      return [answer.status, await answer.json()];
    },
    "POST /webhook": async (request, body) => {
      if (!isSigned(request.headers, body, webhookKey)) return [401, {}];
      const event = JSON.parse(body);
      if (event.type === "payment.succeeded") {
        const { payment_id, total_amount, metadata } = event.data;
        orders.set(payment_id, { amount: total_amount, visitor: metadata.visitor });
      }
      return [200, {}];
    },
  };
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const route = routes[`${request.method} ${request.url}`];
    const [status, body] = route ? await route(request, Buffer.concat(chunks)) : [404, {}];
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  });
  return { server, orders };
}
