//! A database's URL holds a password: nothing that goes wrong with the URL repeats it.

use dodo_ledger::{ErrorKind, Store};
use tokio::task::JoinSet;

use crate::{
    canary::{PASSWORD, assert_none},
    log::Log,
    program,
    shop::said,
    support::TestStore,
};

/// URLs that cannot be opened, each with the password in it.
fn unusable() -> Vec<(String, ErrorKind)> {
    use ErrorKind::{Config, Unavailable};
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let of = |text: &str| text.replace("PASSWORD", PASSWORD);
    vec![
        (of("mysql://root:PASSWORD@127.0.0.1/test"), Config),
        (of("root:PASSWORD@127.0.0.1/test"), Config),
        (of("PASSWORD"), Config),
        (of("postgres://root:PASSWORD@127.0.0.1:port/test"), Config),
        (of("postgres://root:PASSWORD@[::1/test"), Config),
        (of("postgres://root:PASSWORD@%zz/test"), Unavailable),
        (of("postgres://root:PASSWORD@127.0.0.1/test?sslmode=PASSWORD"), Config),
        (of("postgres://root@127.0.0.1/test?password=PASSWORD&port=PASSWORD"), Config),
        (of("postgres://root@127.0.0.1/test?hostaddr=PASSWORD"), Config),
        (format!("postgres://root:{PASSWORD}@{closed}/test"), Unavailable),
        (format!("postgres://root@{closed}/test?password={PASSWORD}"), Unavailable),
        (format!("postgres://root@{closed}/test?sslpassword={PASSWORD}"), Unavailable),
        (format!("postgres://root@{closed}/test?passwort={PASSWORD}"), Unavailable),
        (of("sqlite:ledger.db?mode=PASSWORD"), Config),
        (of("sqlite:ledger.db?PASSWORD"), Config),
        (of("sqlite:ledger.db?key=PASSWORD"), Config),
        (of("sqlite:/nowhere/PASSWORD/ledger.db"), Config),
        (of("sqlite://root:PASSWORD@127.0.0.1/test"), Config),
        (of("sqlite:/root:PASSWORD@127.0.0.1/test"), Config),
    ]
}

/// All at once: a server that is away is waited for.
#[tokio::test]
async fn unusable_url_is_not_logged() {
    let log = Log::of_this_process();
    let mut opening = JoinSet::new();
    for (url, kind) in unusable() {
        opening.spawn(async move { (Store::open(&url).await.unwrap_err(), url, kind) });
    }
    for (error, url, kind) in opening.join_all().await {
        assert_eq!(error.kind(), kind, "{url}: {error:?}");
        assert_none(&url, said(&error));
        assert_none(&url, said(&dodo_core::Error::from(error)));
    }
    assert_none("the log", log.lines());
}

#[tokio::test]
async fn program_does_not_print_unusable_url() {
    let mut running = JoinSet::new();
    for (url, _) in unusable() {
        running.spawn(async move { (program::run(&url, &["stats"]).await, url) });
    }
    for (printed, url) in running.join_all().await {
        assert!(!printed.is_empty(), "{url}: it says what is wrong");
        assert_none(&url, [printed]);
    }
    let (url, _) = unusable().remove(0);
    assert_none(&url, [program::run("", &["--url", &url, "stats"]).await]);
}

/// Hosting providers put parameters of other drivers into the URLs that they hand out.
#[tokio::test]
async fn parameters_of_other_drivers_are_ignored_and_not_logged() {
    let Some(store) = TestStore::postgres("parameters_of_other_drivers").await else { return };
    let log = Log::of_this_process();
    let url = format!("{}&pgbouncer=true&connect_timeout={PASSWORD}&a%20b={PASSWORD}", store.url);
    let opened = Store::open(&url).await.unwrap();
    assert_none("Debug", [format!("{opened:?}")]);
    let ledger = dodo_ledger::Ledger::builder(opened).build().unwrap();
    ledger.migrate().await.unwrap(); // in the schema that the URL names after all
    assert_none("the log", log.lines());
    store.remove().await;
}
