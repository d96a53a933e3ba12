//! The variables that other HTTP clients obey do not send our key anywhere.
#![cfg(feature = "reqwest")]

use std::{env, net::TcpListener, process::Command};

use dodo_core::{Client, Environment};

/// Marks this process as the child, and has the address of a closed port.
const CHILD: &str = "DODO_TEST_PROXY_CHILD";

#[tokio::test]
async fn proxy_of_environment_is_not_used() {
    if let Ok(base) = env::var(CHILD) {
        let client = Client::builder("sk_test_canary", Environment::Live)
            .base_url(base)
            .max_retries(0)
            .build()
            .unwrap();
        client
            .call(http::Method::GET, "/products", &[], None)
            .json::<serde_json::Value>()
            .await
            .unwrap_err();
        return;
    }
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    proxy.set_nonblocking(true).unwrap();
    let closed_port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{}", proxy.local_addr().unwrap());
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", "proxy_of_environment_is_not_used"]);
    child.env(CHILD, format!("http://{closed_port}")).env_remove("NO_PROXY").env_remove("no_proxy");
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"]
    {
        child.env(name, &url);
    }
    let output = child.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let asked = proxy.accept();
    assert!(asked.is_err(), "the proxy of the environment was asked: {asked:?}");
}
