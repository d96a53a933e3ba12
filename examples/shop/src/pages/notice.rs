//! Pages for errors and unknown addresses.

use maud::{Markup, html};

use super::{Chrome, Tab};

/// The page for an unknown address.
pub(crate) fn not_found(chrome: Chrome<'_>) -> Markup {
    notice(chrome, "Nothing here", "This page does not exist, or not any more.")
}

/// The page for an error of the shop. The log has the reason.
pub(crate) fn failed(chrome: Chrome<'_>) -> Markup {
    notice(chrome, "That did not work", "Something on our side failed. It is safe to try again.")
}

pub(super) fn notice(chrome: Chrome<'_>, title: &str, text: &str) -> Markup {
    chrome.page(
        title,
        Tab::Elsewhere,
        html! {
            div.center {
                h1 { (title) }
                p.muted { (text) }
                div.row { a.button href="/" { "To the shop" } }
            }
        },
    )
}
