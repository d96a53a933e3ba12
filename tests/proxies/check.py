"""Sends deliveries and checkouts through proxies in front of two servers, and prints a table.

Each proxy runs twice: with the configuration of docs/proxies.md, and with one line that names the
servers. Start it by `tests/proxies/run`. Needs nothing but Python's standard library.
"""

import base64, hashlib, hmac, http.server, json, os, pathlib, re, shutil, socket, subprocess, sys
import tempfile, threading, time

HERE = pathlib.Path(__file__).parent
KEY = b"dodo-proxies-check-key-of-32-by!"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
LONG = 600_000
MODULES = {"nginx": "nginx.conf", "apache": "apache.conf", "haproxy": "haproxy.cfg", "caddy": "Caddyfile",
           "varnish": "varnish.vcl"}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


# --- Dodo Payments -------------------------------------------------------------------------------

class Upstream(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    bodies = []

    def do_POST(self):
        Upstream.bodies.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        answer = b'{"session_id":"cks_1","checkout_url":"https://test.checkout.dodopayments.com/session/cks_1"}'
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


# --- one request, everything written before anything is read --------------------------------------

def exchange(port, method, path, headers=(), body=b"", chunked=False, host=None):
    """The status, or the word for its absence."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host or f'127.0.0.1:{port}'}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers]
    if chunked:
        lines.append("Transfer-Encoding: chunked")
        body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in
                        (body[at:at + 16384] for at in range(0, len(body), 16384))) + b"0\r\n\r\n"
    elif body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    message = "\r\n".join(lines).encode("utf-8") + b"\r\n\r\n" + body
    answer = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            try:
                connection.sendall(message)
            except OSError:
                pass  # the answer may be there all the same
            while part := connection.recv(65536):
                answer += part
    except OSError as error:
        if not answer:
            return type(error).__name__, b""
    match = re.match(rb"HTTP/1\.[01] (\d{3})", answer)
    return (int(match[1]) if match else "nothing"), answer.partition(b"\r\n\r\n")[2]


def delivery(number, size=2_000):
    payment = {"payload_type": "Payment", "payment_id": f"pay_{number}", "total_amount": 100, "currency": "EUR",
               "customer": {"customer_id": "cus_1", "name": "Ada", "email": "ada@example.com"}, "pad": "x" * size}
    body = json.dumps({"business_id": "bus_1", "type": "payment.succeeded",
                       "timestamp": "2026-11-01T10:00:00Z", "data": payment}).encode()
    name, at = f"msg_{number}_{time.time_ns()}", str(int(time.time()))
    mac = hmac.new(KEY, f"{name}.{at}.".encode() + body, hashlib.sha256).digest()
    return [("content-type", "application/json"), ("webhook-id", name), ("webhook-timestamp", at),
            ("webhook-signature", "v1," + base64.b64encode(mac).decode())], body


# --- servers and proxies --------------------------------------------------------------------------

def wait_for(port, process=None):
    for _ in range(200):
        if process and process.poll() is not None:
            return False
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        except OSError:
            time.sleep(0.05)
    return False


def app(binary, framework, port, upstream, public_url):
    environment = {**os.environ, "DODO_PAYMENTS_BASE_URL": f"http://127.0.0.1:{upstream}",
                   "DODO_PAYMENTS_WEBHOOK_KEY": SECRET, "DODO_PAYMENTS_ENVIRONMENT": "test_mode",
                   "DODO_PAYMENTS_API_KEY": "sk_test_TOKEN"}
    if public_url:
        environment["DODO_PUBLIC_URL"] = public_url
    return subprocess.Popen([binary, "--framework", framework, "--listen", f"127.0.0.1:{port}"],
                            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def proxy(name, config, folder, port):
    """What the configuration leaves out is what each machine has of its own."""
    file = folder / "config"
    if name == "nginx":
        temporary = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in
                             ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        config = f"pid {folder}/pid; error_log {folder}/log; events {{}} daemon off;\n" \
                 f"http {{ access_log off; {temporary}\n{config}}}\n"
        command = ["nginx", "-c", file]
    elif name == "apache":
        modules = "mpm_event authz_core headers rewrite proxy proxy_http slotmem_shm proxy_balancer lbmethod_byrequests"
        load = "".join(f"LoadModule {m}_module modules/mod_{m}.so\n" for m in modules.split())
        config = f"ServerRoot /usr/lib/apache2\nServerName localhost\nPidFile {folder}/pid\n" \
                 f"DefaultRuntimeDir {folder}\nErrorLog {folder}/log\n{load}{config}"
        command = ["apache2", "-D", "FOREGROUND", "-f", file]
    elif name == "haproxy":
        command = ["haproxy", "-f", file]
    elif name == "caddy":
        config = "{\n\tadmin off\n\tauto_https off\n}\n" + config
        command = ["caddy", "run", "--adapter", "caddyfile", "--config", file]
    else:
        options = re.findall(r"^# varnishd (.*)$", config, re.M)
        command = ["varnishd", "-F", "-a", f"127.0.0.1:{port}", "-f", file, "-n", folder / "work",
                   "-s", "malloc,64m", *" ".join(options).split()]
    file.write_text(config)
    folder.chmod(0o755)
    return subprocess.Popen([str(word) for word in command], stdout=open(folder / "out", "w"),
                            stderr=subprocess.STDOUT, env={**os.environ, "HOME": str(folder),
                                                           "PATH": os.environ["PATH"] + ":/usr/sbin"})


# --- the rows --------------------------------------------------------------------------------------

def counted(wanted, results):
    """`ok`, or how often something else came."""
    wrong = [r for r in results if r not in wanted]
    return "ok" if not wrong else f"{len(wrong)}/{len(results)}: {', '.join(sorted(map(str, set(wrong))))}"


def deliveries(port, servers):
    sent = [exchange(port, "POST", "/api/webhook", *delivery(n))[0] for n in range(10)]
    sent.append(exchange(port, "POST", "/api/webhook", *delivery(10, 200_000))[0])
    headers, body = delivery(11, 50_000)
    sent.append(exchange(port, "POST", "/api/webhook", headers, body, chunked=True)[0])
    ran = sum(len(json.loads(exchange(server, "GET", "/__callbacks")[1])) for server in servers)
    return counted([200], sent) if ran >= len(sent) else f"{ran} callbacks of {len(sent)}"


def over_long(port, path, status, chunked=False, size=LONG):
    body = b"x" * size
    headers = [("content-type", "application/json")]
    return counted(status, [exchange(port, "POST", path, headers, body, chunked)[0] for _ in range(15)])


def pages(port):
    return counted([200], [exchange(port, "GET", "/__callbacks")[0] for _ in range(20)])


def checkout(port, headers=(), host=None):
    body = b'{"product_cart":[{"product_id":"pdt_1","quantity":1}]}'
    headers = [("content-type", "application/json"), *headers]
    return exchange(port, "POST", "/strict/api/checkout/session", headers, body, host=host)[0]


def same_origin(port):
    origin = ("origin", f"http://127.0.0.1:{port}")
    return counted([200], [checkout(port, [origin]) for _ in range(4)]
                   + [checkout(port, [origin, ("sec-fetch-site", "same-origin")]) for _ in range(4)])


def foreign_origin(port, has_public_url):
    origin = ("origin", "https://evil.example")
    results = [checkout(port, [origin]), checkout(port, [("sec-fetch-site", "cross-site")]),
               checkout(port, [origin, ("sec-fetch-site", "cross-site")]),
               checkout(port, [origin, ("x-forwarded-host", "evil.example")])]
    if has_public_url:  # without it the host is all that a server knows of its address
        Upstream.bodies.clear()
        status = checkout(port, [origin], host="evil.example")
        # For a host that it does not serve, Caddy answers 200 itself, without a body.
        results.append(status if Upstream.bodies else 403)
    return counted([403], results)


def cookies(port):
    results = []
    for number, headers in enumerate([
        [("cookie", "theme=dark"), ("cookie", "visitor=v_0")],
        [("cookie", "visitor=v_1"), ("cookie", "theme=dark")],
        [("cookie", "name=Zoë; visitor=v_2")],
        [("cookie", "name=Zoë"), ("cookie", "visitor=v_3")],
        [("cookie", "visitor=v_4; name=☕")],
    ]):
        Upstream.bodies.clear()
        status = checkout(port, headers)
        seen = [body.get("metadata", {}).get("visitor") for body in Upstream.bodies]
        results.append("ok" if seen == [f"v_{number}"] else f"cookie {number}: {status} {seen}")
    return counted(["ok"], results)


def long_head(port):
    return counted([200], [checkout(port, [("cookie", "visitor=v_1; long=" + "x" * 20_000)]) for _ in range(4)])


def idle(port):
    """Posts around the moment at which a server closes idle connections (actix-web: 5 s)."""
    results = []
    for _ in range(2):
        threads = [threading.Thread(target=lambda n=n: exchange(port, "POST", "/api/webhook", *delivery(n)))
                   for n in range(8)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        end = time.monotonic()
        for step in range(16):
            time.sleep(max(0, end + 4.9 + step * 0.0125 - time.monotonic()))
            results.append(exchange(port, "POST", "/api/webhook", *delivery(step))[0])
    return counted([200], results)


def check(binary, upstream, name, one_line, framework):
    port, servers = free_port(), [free_port(), free_port()]
    source = HERE / MODULES[name]
    if one_line:
        source = HERE / re.sub(r"(?=\.(?!.*\.)|$)", ".one-line", MODULES[name], count=1)
    config = source.read_text()
    if name == "varnish":  # ports of backends are alone
        config = config.replace('"3000"', f'"{servers[0]}"').replace('"3001"', f'"{servers[1]}"')
    for old, new in ((":8080", port), (":3000", servers[0]), (":3001", servers[1])):
        config = config.replace(old, f":{new}")
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"dodo-{name}-"))
    processes = []
    try:
        # Behind one line the servers do not see the browser's address, so it is set by `DODO_PUBLIC_URL`.
        public_url = f"http://127.0.0.1:{port}" if one_line else None
        for server in servers:
            processes.append(app(binary, framework, server, upstream, public_url))
        front = proxy(name, config, folder, port)
        processes.append(front)
        if not all(wait_for(server) for server in servers) or not wait_for(port, front):
            return {"starts": "no: " + (folder / "out").read_text()[-300:]}
        return {
            "deliveries": deliveries(port, servers),
            "413 webhook": over_long(port, "/api/webhook", [413]),
            "413 chunked": over_long(port, "/api/webhook", [413], chunked=True),
            "413 of 3 MB": over_long(port, "/api/webhook", [413], size=3_000_000),
            "413 checkout": over_long(port, "/strict/api/checkout/session", [413]),
            "405": over_long(port, "/api/checkout/static", [405, 413]),
            "pages after": pages(port),
            "same origin": same_origin(port),
            "foreign": foreign_origin(port, one_line),
            "cookies": cookies(port),
            "20 KB head": long_head(port),
            "idle 5 s": idle(port),
        }
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(folder, ignore_errors=True)


def main():
    binary, *words = sys.argv[1:]
    frameworks = ["axum", "actix"]
    if "--framework" in words:
        at = words.index("--framework")
        frameworks, words = [words[at + 1]], words[:at] + words[at + 2:]
    upstream = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    wrong = 0
    for name in words or MODULES:
        for framework in frameworks:
            both = [check(binary, upstream.server_port, name, one_line, framework) for one_line in (False, True)]
            print(f"\n{name}, {framework}{'':20}{'as in docs/proxies.md':34}one line")
            for row in both[0] | both[1]:
                cells = [column.get(row, "-") for column in both]
                wrong += cells[0] != "ok"
                print(f"  {row:14}{cells[0]:56}{cells[1]}", flush=True)
    print(f"\n{wrong} rows are wrong with the configuration of docs/proxies.md")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
