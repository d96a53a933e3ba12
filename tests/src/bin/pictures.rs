//! Writes the pictures of the README and the docs: it starts the example shop, fills it with a year of
//! business, buys, and keeps its pages. It needs Chromium and chromedriver.
//!
//! `cargo run -p dodo-tests --bin pictures`

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a tool of this repository")]

use std::{fs, path::Path, process::ExitCode, time::Duration};

use dodo_tests::shop::{CARD_OK, Visit};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/pictures");

/// The name of a picture, its page, the color scheme, and the height of the window in pixels.
const PICTURES: [(&str, &str, &str, u32); 5] = [
    ("dashboard", "/revenue?range=12m", "light", 1060),
    ("breakdown", "/revenue?page=breakdown&by=campaign&range=90d", "dark", 860),
    ("subscriptions", "/revenue?page=subscriptions", "light", 860),
    ("shop", "/?utm_source=newsletter&utm_campaign=autumn", "light", 860),
    ("account", "/account", "light", 860),
];

#[tokio::main]
async fn main() -> ExitCode {
    let Some(visit) = Visit::start("pictures", "axum-shop").await else {
        return ExitCode::FAILURE;
    };
    visit.browser.open(&visit.merchant).await;
    visit.browser.click("form[action='/merchant/year'] button").await;
    // A debug build takes minutes.
    while !visit.browser.texts(".year").await.concat().contains("arrived") {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    visit.open("/?utm_source=newsletter&utm_campaign=autumn").await;
    visit.browser.click(".consent [value=granted]").await;
    // The answer must arrive before the next page is opened.
    visit.browser.wait_for_texts(".consent", <[String]>::is_empty).await;
    visit.sign_in("Ada Lovelace").await;
    for product in ["pdt_field_guide", "pdt_print_club"] {
        visit.begin(product).await;
        visit.pay_with(CARD_OK).await;
        visit.arrive(&visit.shop).await;
    }
    fs::create_dir_all(FOLDER).expect("a folder for pictures");
    for (name, page, scheme, height) in PICTURES {
        visit.browser.look_like(1180, height, scheme).await;
        visit.open(page).await;
        let picture = visit.browser.webp(82).await;
        println!("docs/pictures/{name}.webp: {} KB", picture.len() / 1024);
        fs::write(Path::new(FOLDER).join(format!("{name}.webp")), picture).expect("a file");
    }
    ExitCode::SUCCESS
}
