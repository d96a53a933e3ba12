//! The log level: of one client, and of applications that have no subscriber of their own.

#[cfg(feature = "log")]
use tracing::level_filters::LevelFilter;
#[cfg(feature = "log")]
use tracing_subscriber::{
    Layer as _, filter::Targets, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use crate::{Error, env::variable};

/// The variable that Dodo's Node SDK reads.
const VARIABLE: &str = "DODO_PAYMENTS_LOG";

/// Every target of this crate and its companions begins so.
#[cfg(feature = "log")]
const TARGETS: &str = "dodo";

/// How much a client logs: the lines of this level and of the levels before it.
///
/// The words of the environment are those of the Node SDK: `off`, `error`, `warn`, `info`, `debug`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LogLevel {
    /// No line.
    Off,
    /// Problems that do not end by themselves.
    Error,
    /// Problems that may end by themselves.
    Warn,
    /// Start and stop.
    Info,
    /// One line per API call.
    Debug,
}

impl LogLevel {
    /// Reads `DODO_PAYMENTS_LOG`. `None` if it is unset.
    pub(crate) fn from_env() -> Result<Option<Self>, Error> {
        let Some(text) = variable(VARIABLE)? else { return Ok(None) };
        let level = Self::parse(&text).ok_or_else(|| {
            Error::variable(VARIABLE, "is unknown: write debug, info, warn, error or off")
        })?;
        Ok(Some(level))
    }

    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "debug" => Self::Debug,
            "info" => Self::Info,
            "warn" => Self::Warn,
            "error" => Self::Error,
            "off" => Self::Off,
            _ => return None,
        })
    }

    #[cfg(feature = "log")]
    const fn filter(self) -> LevelFilter {
        match self {
            Self::Off => LevelFilter::OFF,
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
        }
    }
}

/// Logs a line under `dodo::client`, if the client's own level shows it.
macro_rules! client_log {
    ($limit:expr, error, $($line:tt)*) => { client_log!(@ $limit, Error, error, $($line)*) };
    ($limit:expr, warn, $($line:tt)*) => { client_log!(@ $limit, Warn, warn, $($line)*) };
    ($limit:expr, info, $($line:tt)*) => { client_log!(@ $limit, Info, info, $($line)*) };
    ($limit:expr, debug, $($line:tt)*) => { client_log!(@ $limit, Debug, debug, $($line)*) };
    (@ $limit:expr, $level:ident, $macro:ident, $($line:tt)*) => {
        if $limit.is_none_or(|limit: $crate::log::LogLevel| limit >= $crate::log::LogLevel::$level) {
            tracing::$macro!(target: "dodo::client", $($line)*);
        }
    };
}
pub(crate) use client_log;

/// Writes what these crates log to standard error, at the level that `DODO_PAYMENTS_LOG` names:
/// `debug`, `info`, `warn` (also when unset), `error` or `off`.
///
/// For applications that have no `tracing` subscriber; where there is one already it stays, and the
/// answer is `false`. Applications that have one choose by target instead: `dodo::client`,
/// `dodo::checkout`, `dodo::portal`, `dodo::capture`, `dodo::webhook`, `dodo::endpoint`.
///
/// ```
/// dodo_core::log::init();
/// ```
#[cfg(feature = "log")]
pub fn init() -> bool {
    let level = LogLevel::from_env();
    let shown = level.as_ref().ok().copied().flatten().unwrap_or(LogLevel::Warn);
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_filter(Targets::new().with_target(TARGETS, shown.filter()));
    let installed = tracing_subscriber::registry().with(layer).try_init().is_ok();
    if let Err(error) = level {
        tracing::warn!(target: "dodo::client", "{error}");
    }
    installed
}
