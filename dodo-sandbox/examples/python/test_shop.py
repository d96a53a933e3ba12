"""python3 -m unittest, or pytest."""

import threading
import unittest

from sandbox import Sandbox
from shop import Shop


class ShopTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sandbox = Sandbox()
        env = cls.sandbox.env
        cls.shop = Shop(
            env["DODO_PAYMENTS_API_KEY"],
            env["DODO_PAYMENTS_WEBHOOK_KEY"],
            env["DODO_PAYMENTS_BASE_URL"],
        )
        threading.Thread(target=cls.shop.serve_forever, daemon=True).start()
        cls.sandbox.control("/webhooks", url=f"{cls.shop.url}/webhook")
        cls.sandbox.control(
            "/products", product_id="pdt_pro", name="Pro", currency="USD", price=1900, every="Month"
        )

    @classmethod
    def tearDownClass(cls):
        cls.shop.shutdown()
        cls.shop.server_close()
        assert cls.sandbox.stop() == 0

    def subscribe(self, card):
        _, session = self.shop.checkout("pdt_pro", "grace@example.com", "v_7")
        paid = self.sandbox.control(f"/sessions/{session}/pay", card=card)
        self.sandbox.idle()
        return paid

    def test_renewal_is_a_second_order_of_the_same_visitor(self):
        paid = self.subscribe("4242424242424242")
        self.sandbox.control("/clock", days=31)
        self.sandbox.idle()
        subscription = self.shop.orders[paid["payment_id"]]["subscription_id"]
        own = [o for o in self.shop.orders.values() if o["subscription_id"] == subscription]
        self.assertEqual(len(own), 2)
        self.assertEqual({order["metadata"]["visitor"] for order in own}, {"v_7"})

    def test_declined_card_is_no_order(self):
        before = len(self.shop.orders)
        self.assertEqual(self.subscribe("4000000000000002")["status"], "failed")
        self.assertEqual(len(self.shop.orders), before)

    def test_lost_and_repeated_deliveries_change_nothing(self):
        self.sandbox.call("PUT", "/__sandbox/network", {"duplicates": 2})
        paid = self.subscribe("5555555555554444")
        self.sandbox.call("PUT", "/__sandbox/network", {})
        before = dict(self.shop.orders)
        self.assertIn(paid["payment_id"], before)
        answers = {d["attempts"][-1]["status"] for d in self.sandbox.idle()}
        self.assertEqual(answers, {200})


if __name__ == "__main__":
    unittest.main()
