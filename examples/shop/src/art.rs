//! Pictures of the goods, drawn from their ids: whatever the account sells, it has a picture.

use maud::{Markup, html};

/// A pattern with colors and shapes from the id.
pub(crate) fn picture(product_id: &str, recurring: bool) -> Markup {
    let seed = seed(product_id);
    // Warm papers and inks that go with the page in light and dark.
    const PAPERS: [&str; 4] = ["#efe3cf", "#dfe6e0", "#ecd9cf", "#dde3ea"];
    const INKS: [&str; 4] = ["#a8451f", "#35607e", "#5f6f33", "#7b4b73"];
    let pick = |from: [&'static str; 4], shift: u32| {
        from.into_iter().cycle().nth((seed >> shift & 3) as usize).unwrap_or("#a8451f")
    };
    let (paper, ink) = (pick(PAPERS, 0), pick(INKS, 4));
    html! {
        svg.art viewBox="0 0 400 300" preserveAspectRatio="xMidYMid slice" aria-hidden="true" {
            rect width="400" height="300" fill=(paper) {}
            @if recurring { (waves(ink)) } @else if seed & 0x100 == 0 { (sheets(ink)) } @else { (suns(ink)) }
        }
    }
}

/// A repeated wave, for subscriptions.
fn waves(ink: &str) -> Markup {
    html! {
        g fill="none" stroke=(ink) stroke-width="7" stroke-linecap="round" {
            @for row in 0..7 {
                path opacity=(format!("0.{}", 9 - row)) d=(format!(
                    "M-20 {y} q 35 -44 70 0 t 70 0 t 70 0 t 70 0 t 70 0 t 70 0 t 70 0", y = 70 + row * 32
                )) {}
            }
        }
    }
}

/// Sheets of paper, fanned out.
fn sheets(ink: &str) -> Markup {
    html! {
        g transform="translate(200 165)" {
            @for (at, angle) in [-22, -11, 0, 11].into_iter().enumerate() {
                g transform=(format!("rotate({angle} 0 110)")) {
                    rect x="-62" y="-105" width="124" height="168" rx="5" fill="#fffdf8" stroke=(ink) stroke-width="3" {}
                    @if at == 3 {
                        circle cx="0" cy="-40" r="26" fill=(ink) {}
                        @for line in 0..3 {
                            rect x="-36" y=(8 + line * 16) width=(72 - line * 18) height="5" rx="2.5" fill=(ink) opacity="0.5" {}
                        }
                    }
                }
            }
        }
    }
}

/// Overlapping discs, as in a block print.
fn suns(ink: &str) -> Markup {
    html! {
        g fill=(ink) {
            @for (x, y, r, opacity) in [(200, 205, 118, "0.22"), (200, 175, 86, "0.4"), (200, 148, 54, "0.95")] {
                circle cx=(x) cy=(y) r=(r) opacity=(opacity) {}
            }
            @for x in (20..400).step_by(40) { rect x=(x) y="262" width="24" height="6" rx="3" opacity="0.6" {} }
        }
    }
}

/// FNV-1a: the same picture for the same id, in every process.
fn seed(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
