//! A year of business for an empty dashboard, from a sandbox.

use std::sync::{Mutex, PoisonError};

use dodo_core::{
    BoxError,
    capture::{CheckoutContext, CheckoutContextStore},
};
use dodo_sandbox::{Sandbox, Simulation};

use crate::{Shop, backend::demo_sandbox};

/// The sales of the year.
const SALES: u32 = 500;

/// The progress of the year.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Year {
    #[default]
    NotAsked,
    /// The events of the year arrive.
    Running,
    /// The number of arrived events.
    Done {
        events: u64,
    },
    Failed,
}

/// The year of a shop.
#[derive(Debug, Default)]
pub(crate) struct YearState(Mutex<Year>);

impl YearState {
    pub(crate) fn get(&self) -> Year {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, year: Year) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = year;
    }

    /// Whether the year begins now. It runs once at a time.
    fn begin(&self) -> bool {
        let mut year = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let begins = matches!(*year, Year::NotAsked | Year::Failed);
        if begins {
            *year = Year::Running;
        }
        begins
    }
}

impl Shop {
    /// Fills the ledger with a year of business that ends today. Only a shop with a sandbox has one.
    ///
    /// The year happens in a second sandbox: one with payments would continue into the future.
    pub(crate) fn simulate_year(&self) {
        let Some(sandbox) = self.backend().sandbox() else { return };
        let secret = sandbox.webhook_secret().to_owned();
        if !self.year().begin() {
            return;
        }
        let shop = self.clone();
        tokio::spawn(async move {
            let simulated = simulate(&shop, secret).await;
            shop.year().set(match simulated {
                Ok(events) => Year::Done { events },
                Err(error) => {
                    tracing::error!(target: "shop", %error, "no year of business; try again");
                    Year::Failed
                }
            });
        });
    }
}

async fn simulate(shop: &Shop, secret: String) -> Result<u64, BoxError> {
    let sandbox: Sandbox = demo_sandbox()
        .webhook_secret(secret)
        .webhook_url(shop.webhook_url())
        .clock_rate(0.0)
        .start()
        .await?;
    let mut plan = Simulation::default();
    plan.sales = SALES;
    let year = sandbox.simulate(plan).await?;
    // The checkout route of an app stores the same.
    for visit in &year.visits {
        let context: CheckoutContext = serde_json::from_value(serde_json::to_value(visit)?)?;
        shop.ledger().store(&visit.session_id, &context).await?;
    }
    sandbox.wait_until_idle().await;
    sandbox.shutdown().await;
    Ok(year.events)
}
