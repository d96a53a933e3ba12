use dodo_core::attribution::AttributionRecord;
use dodo_ledger::Error;

use super::{Loader, deliveries::duration};
use crate::{
    page::{Block, Check, CheckState, Sheet, zone_name},
    table::Cell,
};

/// The payments that the checklist looks at.
const SAMPLE: u32 = 200;

impl Loader<'_> {
    pub(super) async fn set_up(&self) -> Result<Sheet, Error> {
        let sinks = self.settings.ledger.sinks().collect::<Vec<_>>().join(", ");
        let facts = vec![
            ("Zone of the books", Cell::text(zone_name(self.now.time_zone())), None),
            ("Attribution", Cell::text("as the ledger booked it"), None),
            ("Sinks", if sinks.is_empty() { Cell::text("none") } else { Cell::text(sinks) }, None),
            ("Version", Cell::text(env!("CARGO_PKG_VERSION")), None),
        ];
        let blocks = vec![
            Block::Checklist(self.checks().await?),
            Block::Facts { title: "Settings".to_owned(), unit: self.unit, facts },
        ];
        Ok(Sheet { blocks, ..Sheet::default() })
    }

    /// The checklist: working parts, missing parts, and the code for each missing part.
    pub(super) async fn checks(&self) -> Result<Vec<Check>, Error> {
        let last = self.records().limit(SAMPLE).fetch().await?;
        let charges: Vec<&AttributionRecord> =
            last.iter().filter(|record| record.kind.is_charge()).collect();
        let stats = self.settings.ledger.stats().await?;
        let part = |name, pick: fn(&AttributionRecord) -> bool, what: &str, fix| {
            let count = charges.iter().filter(|record| pick(record)).count();
            Check {
                name,
                state: match (count, charges.len()) {
                    (_, 0) => CheckState::Unknown,
                    (0, _) => CheckState::Missing,
                    _ => CheckState::Works,
                },
                found: match charges.len() {
                    0 => "No payment has arrived yet.".to_owned(),
                    all => format!("{count} of the last {all} payments {what}."),
                },
                fix,
            }
        };
        let arrived = last.iter().map(|record| record.received_at).max();
        let deliveries = Check {
            name: "Deliveries arrive",
            state: if arrived.is_some() { CheckState::Works } else { CheckState::Missing },
            found: match arrived {
                Some(at) => format!(
                    "The last booked one arrived on {}.",
                    Cell::Time(at).show(self.unit, self.now.time_zone())
                ),
                None => "The ledger has booked no payment.".to_owned(),
            },
            fix: "// The URL of this route goes into Dodo Payments, Developer > Webhooks:\nlet (hooks, workers) = ledger.attach(dodo.webhooks())?;\napp.route(\"/api/webhook\", webhooks(hooks))",
        };
        let waits = stats.unbooked > 0 && stats.lag.as_secs() > 60;
        let workers = Check {
            name: "Workers run",
            state: if waits { CheckState::Missing } else { CheckState::Works },
            found: match waits {
                true => format!(
                    "{} deliveries have waited for up to {}.",
                    stats.unbooked,
                    duration(stats.lag)
                ),
                false => "No delivery waits to be booked.".to_owned(),
            },
            fix: "// Keep the handle until the program ends:\nlet (hooks, workers) = ledger.attach(dodo.webhooks())?;",
        };
        let named = self.settings.product_name.is_some();
        let products = Check {
            name: "Products have names",
            state: if named { CheckState::Works } else { CheckState::Missing },
            found: match named {
                true => "The app names them.".to_owned(),
                false => "The pages show ids of products.".to_owned(),
            },
            fix: "Dashboard::builder(&ledger).product_names(|id| catalog.name(id))",
        };
        Ok(vec![
            deliveries,
            workers,
            part(
                "Checkouts are captured",
                |record| record.checkout_session_id.is_some(),
                "came from a checkout session",
                "let checkout = dodo.session_checkout().context_store(ledger.clone()).build()?;",
            ),
            part(
                "The visitor is known",
                |record| record.visitor.is_some(),
                "have a visitor",
                "// In front of the pages and the checkout:\napp.layer(VisitorLayer::new(dodo.capture()))",
            ),
            part(
                "Campaigns arrive",
                |record| record.campaign.is_some(),
                "have a campaign",
                "// Links of your campaigns need parameters:\nhttps://your.app/?utm_source=newsletter&utm_campaign=spring",
            ),
            part(
                "Users are identified",
                |record| record.user_id.is_some(),
                "have the id of a user",
                "// After a sign-up:\nledger.identify(Identity::new(email).visitor(visitor).user_id(id)).await?;",
            ),
            products,
        ])
    }
}
