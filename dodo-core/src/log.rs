//! The log level: of one client, and of applications that have no subscriber of their own.

use tracing::level_filters::LevelFilter;
#[cfg(feature = "log")]
use tracing_subscriber::{
    Layer as _, filter::Targets, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use crate::{Error, env::variable};

/// The variable that Dodo's Node SDK reads.
const VARIABLE: &str = "DODO_PAYMENTS_LOG";

/// The prefix of every target of this crate and its companions.
#[cfg(feature = "log")]
const TARGETS: &str = "dodo";

/// Reads `DODO_PAYMENTS_LOG`. `None` if it is unset.
pub(crate) fn level_from_env() -> Result<Option<LevelFilter>, Error> {
    let Some(text) = variable(VARIABLE)? else { return Ok(None) };
    Ok(Some(match &*text {
        "debug" => LevelFilter::DEBUG,
        "info" => LevelFilter::INFO,
        "warn" => LevelFilter::WARN,
        "error" => LevelFilter::ERROR,
        "off" => LevelFilter::OFF,
        _ => {
            let problem = "is unknown: write debug, info, warn, error or off";
            return Err(Error::variable(VARIABLE, problem));
        }
    }))
}

/// Logs a line under `dodo::client`, if the client's own level shows it.
macro_rules! client_log {
    ($limit:expr, error, $($line:tt)*) => { client_log!(@ $limit, ERROR, error, $($line)*) };
    ($limit:expr, warn, $($line:tt)*) => { client_log!(@ $limit, WARN, warn, $($line)*) };
    ($limit:expr, info, $($line:tt)*) => { client_log!(@ $limit, INFO, info, $($line)*) };
    ($limit:expr, debug, $($line:tt)*) => { client_log!(@ $limit, DEBUG, debug, $($line)*) };
    (@ $limit:expr, $level:ident, $macro:ident, $($line:tt)*) => {
        if $limit.is_none_or(|limit| limit >= tracing::level_filters::LevelFilter::$level) {
            tracing::$macro!(target: "dodo::client", $($line)*);
        }
    };
}
pub(crate) use client_log;

/// Writes what these crates log to standard error, at the level that `DODO_PAYMENTS_LOG` names:
/// `debug`, `info`, `warn` (also when unset), `error` or `off`.
///
/// For applications without a `tracing` subscriber. An existing subscriber stays, and the result is
/// `false`. With a subscriber, select by target instead: `dodo::client`, `dodo::checkout`,
/// `dodo::portal`, `dodo::capture`, `dodo::webhook`, `dodo::endpoint`.
///
/// ```
/// dodo_core::log::init();
/// ```
#[cfg(feature = "log")]
pub fn init() -> bool {
    let level = level_from_env();
    let shown = level.as_ref().ok().copied().flatten().unwrap_or(LevelFilter::WARN);
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_filter(Targets::new().with_target(TARGETS, shown));
    let installed = tracing_subscriber::registry().with(layer).try_init().is_ok();
    if let Err(error) = level {
        tracing::warn!(target: "dodo::client", "{error}");
    }
    installed
}
