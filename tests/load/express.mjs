// The reference on Node: @dodopayments/express with two callbacks, as its documentation shows it.
import { Webhooks, checkoutHandler } from "@dodopayments/express";
import express from "express";

const app = express();
app.use(express.json());
app.post("/api/webhook-bench", Webhooks({
  webhookKey: process.env.DODO_PAYMENTS_WEBHOOK_KEY,
  onPayload: async () => {},
  onPaymentSucceeded: async () => {},
}));
app.post("/api/checkout/session", checkoutHandler({
  bearerToken: "sk_test_TOKEN",
  returnUrl: "https://merchant.example/return",
  type: "session",
}));
const server = app.listen(0, "127.0.0.1", () => {
  console.log(`express listens on http://127.0.0.1:${server.address().port}`);
});
