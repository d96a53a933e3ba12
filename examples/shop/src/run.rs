//! The common start and stop of both shops: options, log, address, signal.

use std::{
    future::Future,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::ExitCode,
    time::Duration,
};

use dodo_core::Webhooks;
use tracing_subscriber::EnvFilter;

use crate::{
    Shop, StartError,
    options::{HELP, Options},
};

/// The time limit of open requests after the stop signal.
pub const GRACE: Duration = Duration::from_secs(5);

/// Starts the shop and serves it until Ctrl-C or SIGTERM.
///
/// `framework` is named on the pages; `serve` answers the listener's connections and ends soon after
/// [`stopped`] does.
#[expect(clippy::print_stdout, reason = "this is the program's own output")]
pub async fn run<F, Fut>(framework: &'static str, serve: F) -> ExitCode
where
    F: FnOnce(TcpListener, Shop, Webhooks) -> Fut,
    Fut: Future<Output = io::Result<()>>,
{
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    let options = match Options::read(std::env::args_os().skip(1), dodo_core::env::variable) {
        Ok(options) if options.help => {
            print!("{}", HELP.replace("SHOP ", &format!("{framework}-shop ")));
            return ExitCode::SUCCESS;
        }
        Ok(options) => options,
        Err(error) => return failed(framework, &error),
    };
    if let Some(words) = &options.operate {
        return match Shop::operate(&options, words, framework).await {
            Ok(exit) => exit,
            Err(error) => failed(framework, &error),
        };
    }
    let (listener, address) = match listen(options.port) {
        Ok(listening) => listening,
        Err(error) => return failed(framework, &error),
    };
    let (shop, hooks, workers) = match Shop::start(&options, address, framework).await {
        Ok(started) => started,
        Err(error) => return failed(framework, &error),
    };
    println!("The shop is open: http://{address}");
    for line in shop.notes(address) {
        println!("{line}");
    }
    let late = async {
        stopped().await;
        tokio::time::sleep(GRACE).await;
    };
    let served = tokio::select! {
        served = serve(listener, shop.clone(), hooks) => served,
        () = late => Ok(()),
    };
    workers.shutdown(GRACE).await;
    shop.database().close().await;
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(framework, &StartError::caused("the server failed", error)),
    }
}

#[expect(clippy::print_stderr, reason = "this is the program's own output")]
fn failed(framework: &str, error: &StartError) -> ExitCode {
    eprintln!("{framework}-shop: {error}");
    ExitCode::FAILURE
}

/// Opens the port on this machine only. For other machines put a proxy in front.
fn listen(port: u16) -> Result<(TcpListener, SocketAddr), StartError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| {
        let message = match error.kind() {
            io::ErrorKind::AddrInUse => format!(
                "port {port} is taken: choose another with --port, or --port 0 for any free one"
            ),
            _ => format!("port {port} cannot be opened"),
        };
        StartError::caused(message, error)
    })?;
    let prepared = listener.set_nonblocking(true).and_then(|()| listener.local_addr());
    let address = prepared.map_err(|e| StartError::caused("the port cannot be used", e))?;
    Ok((listener, address))
}

/// Returns at the signal to stop: Ctrl-C, or SIGTERM where it exists.
pub async fn stopped() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let terminate = async {
            match signal(SignalKind::terminate()) {
                Ok(mut terminate) => _ = terminate.recv().await,
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! { () = interrupt => {}, () = terminate => {} }
    }
    #[cfg(not(unix))]
    interrupt.await;
}
