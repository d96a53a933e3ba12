//! URLs that look like the shop's, `https://merchant.example`, and lead elsewhere; or are none.

/// Refused as `return_url`, `cancel_url` and `redirect_url` where the shop's origin is allowed.
#[rustfmt::skip]
pub const HOSTILE_URLS: &[&str] = &[
    // Other hosts.
    "https://evil.example", "https://evil.example/", "https://evil.example/merchant.example",
    "https://evil.example?https://merchant.example/", "https://evil.example#https://merchant.example",
    "https://merchant.example.evil.example/", "https://evilmerchant.example/",
    "https://merchant.example-evil.example/", "https://www.merchant.example/",
    "https://merchant.evil.example/", "https://example/", "https://merchantxexample/",
    // Other schemes and ports.
    "http://merchant.example/", "https://merchant.example:8443/", "https://merchant.example:80/",
    "ftp://merchant.example/", "ws://merchant.example/", "wss://merchant.example/",
    "javascript:alert(1)", "JavaScript:alert(1)", "java\tscript:alert(1)", "javascript://merchant.example/%0Aalert(1)",
    "data:text/html,<script>alert(1)</script>", "vbscript:msgbox(1)", "mailto:a@merchant.example",
    "file:///etc/passwd", "blob:https://merchant.example/x", "about:blank", "myapp://merchant.example/",
    "view-source:https://merchant.example/", "intent://merchant.example/#Intent;scheme=https;end",
    // What browsers repair.
    "//evil.example", "///evil.example", "////evil.example", "\\\\evil.example", "/\\evil.example",
    "https:evil.example", "https:/evil.example", "https:///evil.example", "https:\\\\evil.example",
    "https:\\evil.example", "https://\\evil.example", "https://merchant.example\\@evil.example",
    "https://evil.example\\merchant.example", "https://merchant.example\\.evil.example",
    "/", "/return", "return", "?x", "#x", ".", "", " ", "https://", "https:", "https", "://", ":",
    // User names that look like hosts.
    "https://merchant.example@evil.example/", "https://merchant.example:x@evil.example/",
    "https://merchant.example%40evil.example/", "https://user@merchant.example/", "https://@merchant.example/",
    "https://:@merchant.example/", "https://merchant.example&@evil.example/",
    // Hosts that are written otherwise.
    "https://merchant%2Eexample/", "https://merchant.example%00.evil.example/", "https://merchant.example%2F.evil.example/",
    "https://merchant.example./", "https://.merchant.example/", "https://merchant..example/",
    "https://mercha\u{f1}t.example/", "https://merch\u{430}nt.example/", "https://merchant\u{3002}example/",
    "https://merchant.\u{ff45}xample/", "https://xn--merchnt-8ya.example/", "https://merchant.example\u{2044}evil/",
    "https://127.0.0.1/", "https://[::1]/", "https://2130706433/", "https://0x7f.1/", "https://localhost/",
    "https://[merchant.example]/", "https://merchant.example:/@evil.example", "https://merchant.example:99999/",
    "https://merchant.example:443x/", "https://merchant.example:0443/", "https://merchant.example:-1/",
    // Control characters and blanks.
    " https://merchant.example/", "https://merchant.example/ ", "https://merchant.example/a b",
    "https://merchant.example/\r\nSet-Cookie: a=b", "https://merchant.example/\n", "\thttps://merchant.example/",
    "https://merchant\t.example/", "https://merchant.example\r\n.evil.example/", "https://merchant.example/\0",
    "\u{feff}https://merchant.example/", "https://merchant.example/\u{202e}", "https://merchant.example/\u{a0}",
    // Paths that are not written out.
    "https://merchant.example/%", "https://merchant.example/%zz", "https://merchant.example/%1",
    "https://merchant.example/\"onload=", "https://merchant.example/<script>", "https://merchant.example/`",
    "https://merchant.example/{x}", "https://merchant.example/a|b", "https://merchant.example/^",
    "https://merchant.example/ü",
];

/// Accepted: the shop's origin, however much is behind it.
pub const FRIENDLY_URLS: &[&str] = &[
    "https://merchant.example",
    "https://merchant.example/",
    "https://merchant.example:443/",
    "HTTPS://Merchant.Example/Path",
    "https://merchant.example/a/../b?x=//other.example#@other.example",
    "https://merchant.example?x=1",
    "https://merchant.example#x",
    "https://merchant.example/%E4%B8%AD?a=b%20c&d=e+f",
];
