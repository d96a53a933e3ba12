//! The connection for payments: a sandbox inside of the shop, or Dodo Payments.

use std::{net::SocketAddr, process::ExitCode, sync::Arc};

use accounts::Hosts;
use dodo_billing::{Billing, BillingBuilder};
use dodo_core::{
    Client, Dodo, Environment, ProductId, Webhooks, client::DodoBuilder, money::Currency,
};
use dodo_ledger::{Ledger, Store, Workers, cli};
use dodo_sandbox::{Sandbox, SandboxBuilder};
use http::Method;
use serde::Deserialize;

use crate::{
    Shop, StartError,
    catalog::{Catalog, Product},
    database::Database,
    merchant::MerchantKey,
    options::Options,
    payments::capture,
    plans::plans,
    session::SessionKey,
    shop::Inner,
    sinks::with_sinks,
    year::YearState,
};

/// A secret of the right form that signs nothing.
const NO_WEBHOOK_SECRET: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// The path of the webhook route.
const WEBHOOK_PATH: &str = "/api/webhook";
/// The most products that the shop page shows.
const MOST_PRODUCTS: usize = 12;

/// The server of the API.
#[derive(Debug)]
pub(crate) enum Backend {
    /// A sandbox inside this process.
    Sandbox(Arc<Sandbox>),
    /// Dodo Payments itself.
    Dodo(Environment),
}

impl Backend {
    /// The name of the connection on the pages.
    pub(crate) fn mode(&self) -> &'static str {
        match self {
            Self::Sandbox(_) => "local sandbox",
            Self::Dodo(Environment::Test) => "test mode",
            Self::Dodo(_) => "live mode",
        }
    }

    /// The sandbox, if there is one.
    pub(crate) fn sandbox(&self) -> Option<&Sandbox> {
        match self {
            Self::Sandbox(sandbox) => Some(sandbox),
            Self::Dodo(_) => None,
        }
    }
}

impl Shop {
    /// Creates a shop that will be served at `address`.
    pub(crate) async fn start(
        options: &Options,
        address: SocketAddr,
        framework: &'static str,
    ) -> Result<(Self, Webhooks, Workers), StartError> {
        let url = database_url(options, framework);
        Database::check(&url)?;
        let store = Store::open(&url).await.map_err(not_opened)?;
        let database = Database::open(&url).await?;
        let local_url = format!("http://{address}");
        let webhook_url = format!("{local_url}{WEBHOOK_PATH}");
        let (builder, sandbox) = match options.has_api_key {
            true => (dodo()?, None),
            false => {
                let (builder, sandbox) = sandbox(&webhook_url, options).await?;
                (builder, Some(sandbox))
            }
        };
        let tables = |error| StartError::caused("the shop's tables cannot be used", error);
        let key = match &sandbox {
            // Customers and subscriptions of an earlier sandbox ended with it, and so do its accounts.
            Some(_) => SessionKey::fresh(),
            None => database.secret("session_key", SessionKey::fresh).await.map_err(tables)?,
        };
        let sessions = SessionKey::from_bytes(key.as_bytes());
        let secure = options.public_url.as_deref().is_some_and(|url| url.starts_with("https:"));
        let dodo = builder
            .capture(capture(sessions.clone(), secure))
            .build()
            .map_err(|error| StartError::caused("Dodo Payments cannot be set up", error))?;
        let public_url = dodo.client().public_url().map_or(local_url, str::to_owned);
        let catalog = catalog(dodo.client())
            .await
            .map_err(|error| StartError::caused("the products cannot be read", error))?;
        let billing = billing(&dodo, &catalog, &database, options).await?;
        let mut billing = billing.return_to(format!("{public_url}/return"));
        if let Some(sandbox) = &sandbox {
            let clock = Arc::clone(sandbox);
            billing = billing.clock(move || clock.now());
        }
        let billing = billing.build().map_err(no_billing)?;
        let ledger = with_sinks(Ledger::builder(store), options)?;
        let ledger = ledger.projection(billing.clone()).build().map_err(not_opened)?;
        ledger.migrate().await.map_err(not_opened)?;
        let shop = Self::new(Inner {
            backend: sandbox.map_or(Backend::Dodo(dodo.environment()), Backend::Sandbox),
            dodo,
            catalog,
            database,
            ledger: ledger.clone(),
            billing,
            sessions,
            merchant: MerchantKey::new(),
            year: YearState::default(),
            segment_url: options.segment_write_key.is_some().then(|| options.segment_url.clone()),
            hosts: Hosts::new(Some(&public_url)),
            public_url,
            webhook_url,
            framework,
        });
        let (hooks, workers) = ledger
            .attach(shop.webhooks())
            .map_err(|error| StartError::caused("the webhooks cannot be set up", error))?;
        Ok((shop, hooks, workers))
    }

    /// Runs a command about the shop's ledger, beside a shop that is open or not: its rules and sinks are
    /// the shop's.
    pub(crate) async fn operate(
        options: &Options,
        words: &[String],
        framework: &'static str,
    ) -> Result<ExitCode, StartError> {
        let url = database_url(options, framework);
        let store = Store::open_existing(&url).await.map_err(not_opened)?;
        let database = Database::open(&url).await?;
        let dodo = match options.has_api_key {
            true => dodo()?,
            // No command asks a sandbox: the one of the shop is in the shop's process.
            false => Dodo::builder("sk_sandbox", NO_WEBHOOK_SECRET, Environment::Test),
        };
        let dodo = dodo
            .build()
            .map_err(|error| StartError::caused("Dodo Payments cannot be set up", error))?;
        let billing = billing(&dodo, &Catalog::default(), &database, options).await?;
        let billing = billing.build().map_err(no_billing)?;
        let ledger = with_sinks(Ledger::builder(store), options)?
            .projection(billing)
            .build()
            .map_err(|error| StartError::caused("the ledger cannot be set up", error))?;
        Ok(cli::run(&ledger, words).await)
    }

    /// Prints the addresses for the person who started the shop.
    pub(crate) fn notes(&self, address: SocketAddr) -> Vec<String> {
        let link = self.merchant().target();
        let mut notes = match self.backend() {
            Backend::Sandbox(sandbox) => vec![
                format!("Payments go to a sandbox in this process: {}", sandbox.url()),
                "Pay with the card 4242 4242 4242 4242; 4000 0000 0000 0002 is declined.".into(),
            ],
            Backend::Dodo(_) => vec![
                format!("Payments go to Dodo Payments, {}.", self.backend().mode()),
                format!("Its webhooks have to reach {}{WEBHOOK_PATH}", self.public_url()),
            ],
        };
        if let Some(url) = self.segment_url() {
            notes.push(format!("Booked records go to Segment: {url}"));
        }
        notes.push(format!("The dashboard, for you alone: http://{address}{link}"));
        notes
    }
}

fn not_opened(error: dodo_ledger::Error) -> StartError {
    StartError::caused("the ledger cannot be opened; check DATABASE_URL", error)
}

fn no_billing(error: dodo_billing::Error) -> StartError {
    StartError::caused("billing cannot be set up", error)
}

/// Billing with the shop's plans. Without `DODO_BILLING_SECRET` a secret in the database signs the owners.
async fn billing(
    dodo: &Dodo,
    catalog: &Catalog,
    database: &Database,
    options: &Options,
) -> Result<BillingBuilder, StartError> {
    let billing = Billing::builder(dodo, plans(catalog).map_err(no_billing)?);
    if options.has_billing_secret {
        return Ok(billing);
    }
    let secret = database.secret("billing_secret", SessionKey::fresh).await;
    let tables = |error| StartError::caused("the shop's tables cannot be used", error);
    Ok(billing.secret(secret.map_err(tables)?))
}

/// The URL of the database for the ledger and the shop's own tables.
fn database_url(options: &Options, framework: &str) -> String {
    options.database_url.clone().unwrap_or_else(|| format!("sqlite:{framework}-shop.db"))
}

/// Dodo Payments, with the settings of the environment.
fn dodo() -> Result<DodoBuilder, StartError> {
    DodoBuilder::from_env().map_err(|error| {
        let message = if error.code() == "webhook_key_missing" {
            "with DODO_PAYMENTS_API_KEY the shop also needs DODO_PAYMENTS_WEBHOOK_KEY, the secret of \
             the webhook endpoint in Dodo's dashboard"
        } else {
            "Dodo Payments cannot be set up"
        };
        StartError::caused(message, error)
    })
}

/// A sandbox with the shop's products.
pub(crate) fn demo_sandbox() -> SandboxBuilder {
    use dodo_sandbox::Product;
    Sandbox::builder()
        .product(
            Product::one_time("pdt_field_guide", "Letterpress field guide", "USD", 1900)
                .description("A pocket guide to forty trees, set by hand and printed in two inks."),
        )
        .product(Product::monthly("pdt_print_club", "Print club", "USD", 1200).description(
            "A new linocut every month, numbered and signed. Leave whenever you like.",
        ))
        .product(
            Product::monthly("pdt_print_studio", "Print studio", "USD", 2900)
                .trial_days(14)
                .description("The club, and a day at the press each month. Two weeks to try it."),
        )
        .product(
            Product::one_time("pdt_washi_set", "Kyoto washi set", "JPY", 1500)
                .description("Twenty sheets of mulberry paper in five weights, wrapped in Kyoto."),
        )
}

/// The sandbox of the shop. It delivers to the local address: the public one may lead through a proxy,
/// and browsers alone may trust its certificate.
async fn sandbox(
    webhook_url: &str,
    options: &Options,
) -> Result<(DodoBuilder, Arc<Sandbox>), StartError> {
    let failed = |error| StartError::caused("the sandbox cannot be started", error);
    let sandbox = demo_sandbox().webhook_url(webhook_url).start().await.map_err(failed)?;
    let url = sandbox.url();
    let mut dodo = Dodo::builder(sandbox.api_key(), sandbox.webhook_secret(), Environment::Test)
        .client(|client| client.base_url(url).checkout_url(url));
    if let Some(public_url) = &options.public_url {
        dodo = dodo.client(|client| client.public_url(public_url));
    }
    Ok((dodo, Arc::new(sandbox)))
}

/// The fields of the list of products that the shop needs.
#[derive(Deserialize)]
struct Listed {
    items: Vec<ListedProduct>,
}

#[derive(Deserialize)]
struct ListedProduct {
    product_id: String,
    name: Option<String>,
    description: Option<String>,
    price: Option<i64>,
    currency: Option<Currency>,
    #[serde(default)]
    is_recurring: bool,
}

/// Returns the products of the account. It omits products without a fixed price.
async fn catalog(client: &Client) -> Result<Catalog, dodo_core::Error> {
    let query = [("page_size", "100"), ("page_number", "0")];
    let listed: Listed = client.call(Method::GET, "/products", &query, None).json().await?;
    let mut products = Vec::new();
    for item in listed.items {
        let (Ok(id), Some(price), Some(currency)) =
            (ProductId::new(&item.product_id), item.price, item.currency)
        else {
            continue;
        };
        let every = if item.is_recurring { Some(interval(client, &id).await?) } else { None };
        products.push(Product {
            name: item.name.unwrap_or_else(|| item.product_id.clone()),
            description: item.description.unwrap_or_default(),
            id,
            price,
            currency,
            exponent: currency.exponent(),
            every,
        });
        if products.len() == MOST_PRODUCTS {
            break;
        }
    }
    Ok(Catalog::new(products))
}

/// The interval of a subscription: `month`, `3 months`. Only the product itself has it.
async fn interval(client: &Client, id: &ProductId) -> Result<String, dodo_core::Error> {
    let product = client.product(id).await?;
    let price = product.raw().get("price");
    let of = |name: &str| price.and_then(|price| price.get(name));
    let unit = of("payment_frequency_interval").and_then(|unit| unit.as_str()).unwrap_or("period");
    let unit = unit.to_lowercase();
    Ok(match of("payment_frequency_count").and_then(serde_json::Value::as_u64) {
        Some(count) if count > 1 => format!("{count} {unit}s"),
        _ => unit,
    })
}
