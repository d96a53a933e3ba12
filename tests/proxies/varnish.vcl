# Heads of up to 32 KiB need options of the command line:
# varnishd -p http_req_hdr_len=32k -p http_req_size=48k -p workspace_client=128k
vcl 4.1;
import directors;
import std;
backend a { .host = "127.0.0.1"; .port = "3000"; }
backend b { .host = "127.0.0.1"; .port = "3001"; }
sub vcl_init {
    new app = directors.round_robin();
    app.add_backend(a);
    app.add_backend(b);
}
sub vcl_recv {
    set req.backend_hint = app.backend();
    if (std.integer(req.http.Content-Length, 0) > 262144) { return (synth(413)); }
    # Varnish caches nothing that has to do with payments.
    if (req.url ~ "^/(api|strict)/" || req.method == "POST") { return (pass); }
}
