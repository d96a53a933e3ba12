use dodo_core::capture::{DeviceClass, VisitorCapture};

use super::request;

#[test]
fn user_agents_fall_into_classes() {
    use DeviceClass::{Bot, Desktop, Mobile, Tablet, Unknown};
    for (agent, expected) in [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
            Desktop,
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15",
            Desktop,
        ),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", Desktop),
        (
            "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36",
            Desktop,
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1",
            Mobile,
        ),
        (
            "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
            Mobile,
        ),
        (
            "Mozilla/5.0 (Linux; Android 14; SM-X910) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36",
            Tablet,
        ),
        (
            "Mozilla/5.0 (iPad; CPU OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
            Tablet,
        ),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", Bot),
        (
            "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X) AppleWebKit/537.36 Mobile Safari/537.36 (compatible; Googlebot/2.1)",
            Bot,
        ),
        ("facebookexternalhit/1.1", Bot),
        ("curl/8.9.1", Bot),
        ("python-requests/2.32", Bot),
        ("SomethingNew/1.0", Unknown),
        ("", Unknown),
    ] {
        let captured = VisitorCapture::new().capture(&request("/", &[("user-agent", agent)])).0;
        assert_eq!(captured.context().device, expected, "{agent}");
    }
}

#[test]
fn client_hint_decides_if_user_agent_is_silent() {
    for (headers, expected) in [
        (&[("sec-ch-ua-mobile", "?1")][..], DeviceClass::Mobile),
        (&[("sec-ch-ua-mobile", "?0")], DeviceClass::Desktop),
        (&[("sec-ch-ua-mobile", "yes")], DeviceClass::Unknown),
        (&[("sec-ch-ua-mobile", "?1"), ("user-agent", "curl/8")], DeviceClass::Bot),
        (&[], DeviceClass::Unknown),
    ] {
        let captured = VisitorCapture::new().capture(&request("/", headers)).0;
        assert_eq!(captured.context().device, expected, "{headers:?}");
    }
}
