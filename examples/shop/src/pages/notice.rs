//! Pages that say why there is no page.

use maud::{Markup, html};

use super::{Chrome, Tab};

/// There is nothing at this address.
pub(crate) fn not_found(chrome: Chrome<'_>) -> Markup {
    notice(chrome, "Nothing here", "This page does not exist, or not any more.")
}

/// Something of ours failed; the reason is in the log.
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
