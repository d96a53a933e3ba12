//! Logging for applications that have no subscriber of their own.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    Layer as _, filter::Targets, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

/// The variable that Dodo's Node SDK reads.
const VARIABLE: &str = "DODO_PAYMENTS_LOG";

/// Every target of this crate and its companions begins so.
const TARGETS: &str = "dodo";

/// Writes what these crates log to standard error, as loud as `DODO_PAYMENTS_LOG` says: `debug`,
/// `info`, `warn` (also when unset), `error` or `off`.
///
/// For applications that have no `tracing` subscriber; where there is one already it stays, and the
/// answer is `false`. Applications that have one choose by target instead: `dodo::client`,
/// `dodo::checkout`, `dodo::portal`, `dodo::capture`, `dodo::webhook`, `dodo::endpoint`.
///
/// ```
/// dodo_core::log::init();
/// ```
pub fn init() -> bool {
    let text = std::env::var(VARIABLE).unwrap_or_default();
    let level = level(&text);
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_filter(Targets::new().with_target(TARGETS, level.unwrap_or(LevelFilter::WARN)));
    let installed = tracing_subscriber::registry().with(layer).try_init().is_ok();
    if level.is_none() {
        tracing::warn!(
            target: "dodo::client",
            "{VARIABLE} is none of debug, info, warn, error and off: taken as warn"
        );
    }
    installed
}

/// `None` for a word that means nothing.
fn level(text: &str) -> Option<LevelFilter> {
    Some(match text {
        "debug" => LevelFilter::DEBUG,
        "info" => LevelFilter::INFO,
        "" | "warn" => LevelFilter::WARN,
        "error" => LevelFilter::ERROR,
        "off" => LevelFilter::OFF,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn understands_the_words_of_the_node_sdk() {
        for (text, expected) in [
            ("debug", Some(LevelFilter::DEBUG)),
            ("info", Some(LevelFilter::INFO)),
            ("warn", Some(LevelFilter::WARN)),
            ("error", Some(LevelFilter::ERROR)),
            ("off", Some(LevelFilter::OFF)),
            ("", Some(LevelFilter::WARN)),
            ("DEBUG", None),
            ("verbose", None),
        ] {
            assert_eq!(level(text), expected, "{text}");
        }
    }
}
