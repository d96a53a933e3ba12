"""Starts a sandbox for a test, and steers it by its control API."""

import json
import os
import re
import subprocess
import urllib.request


class Sandbox:
    def __init__(self, *args):
        program = os.environ.get("DODO_SANDBOX_PROGRAM", "dodo-sandbox")
        command = [program, "serve", "--port", "0", "--clock-rate", "0", *args]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.env = {}
        for line in self.process.stdout:
            if match := re.match(r" *export (\w+)=(.*)", line):
                self.env[match[1]] = match[2]
            if line.startswith("Open "):
                break
        self.url = self.env["DODO_PAYMENTS_BASE_URL"]

    def call(self, method, path, body=None):
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "authorization": f"Bearer {self.env['DODO_PAYMENTS_API_KEY']}",
                "content-type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def control(self, path, **body):
        return self.call("POST", f"/__sandbox{path}", body)

    def idle(self):
        """Waits until no delivery is under way, and returns all."""
        while True:
            deliveries = self.call("GET", "/__sandbox/deliveries")
            now = self.call("GET", "/__sandbox/clock")["now"]
            if not any(
                one["state"] == "sending" or (one["state"] == "scheduled" and one["due"] <= now)
                for one in deliveries
            ):
                return deliveries

    def stop(self):
        self.process.terminate()
        self.process.stdout.close()
        return self.process.wait()
