"""A small shop: it opens checkouts at Dodo Payments and keeps an order per paid webhook."""

import base64
import hashlib
import hmac
import json
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOLERANCE = 5 * 60


def is_signed(headers, body, secret):
    """Whether one of the signatures fits the raw body (Standard Webhooks)."""
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not timestamp.isdigit() or abs(time.time() - int(timestamp)) > TOLERANCE:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{message_id}.{timestamp}.".encode() + body
    expected = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    given = headers.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(one, f"v1,{expected}") for one in given)


class Shop(ThreadingHTTPServer):
    def __init__(self, api_key, webhook_key, base_url="https://live.dodopayments.com"):
        super().__init__(("127.0.0.1", 0), Handler)
        self.api_key, self.webhook_key, self.base_url = api_key, webhook_key, base_url
        self.orders = {}  # By payment, so that a second delivery changes nothing.

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def checkout(self, product, email, visitor):
        """The address of the payment page, with the session's id."""
        order = {
            "product_cart": [{"product_id": product, "quantity": 1}],
            "customer": {"email": email, "name": email},
            "metadata": {"visitor": visitor},
        }
        request = urllib.request.Request(
            f"{self.base_url}/checkouts",
            data=json.dumps(order).encode(),
            headers={"authorization": f"Bearer {self.api_key}", "content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            session = json.load(answer)
        return session["checkout_url"], session["session_id"]


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        signed = is_signed(self.headers, body, self.server.webhook_key)
        if signed:
            event = json.loads(body)
            if event["type"] == "payment.succeeded":
                payment = event["data"]
                self.server.orders[payment["payment_id"]] = payment
        self.send_response(200 if signed else 401)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass
