vcl 4.1;
import directors;
backend a { .host = "127.0.0.1"; .port = "3000"; }
backend b { .host = "127.0.0.1"; .port = "3001"; }
sub vcl_init { new app = directors.round_robin(); app.add_backend(a); app.add_backend(b); }
sub vcl_recv { set req.backend_hint = app.backend(); }
