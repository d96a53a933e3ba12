use std::{collections::BTreeMap, fmt, future::Future, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{DeviceClass, VisitorId};
use crate::{
    BoxError, BoxFuture,
    capture::{Campaign, consent::Consent},
};

/// The captured data of a visitor at the start of a checkout. The app or the ledger stores it under
/// the checkout session id. It has the parts that must not be in metadata.
///
/// Without consent it has no visitor, no campaign, no id of a tool and no click id.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CheckoutContext {
    /// The visitor.
    #[serde(default)]
    pub visitor: Option<VisitorId>,
    /// The campaign.
    #[serde(default)]
    pub campaign: Option<Campaign>,
    /// Ids of the enabled tools, by their metadata keys.
    #[serde(default)]
    pub tool_ids: BTreeMap<String, String>,
    /// The consent of the visitor.
    #[serde(default)]
    pub consent: Consent,
    /// The path of the first known page of the visit, without its query.
    #[serde(default)]
    pub landing_path: Option<String>,
    /// The host of the site that sent the visitor.
    #[serde(default)]
    pub referrer_host: Option<String>,
    /// The class of device.
    #[serde(default)]
    pub device: DeviceClass,
    /// Click ids of advertisers, by parameter: `gclid` and others.
    #[serde(default)]
    pub click_ids: BTreeMap<String, String>,
    /// The app's own id of the signed-in user.
    #[serde(default)]
    pub user_id: Option<String>,
    /// The e-mail address of the signed-in user, if consent allows it. Never serialized: the ledger
    /// stores its hash, and the visitor of the address.
    #[serde(skip)]
    pub email: Option<String>,
    /// The start of the checkout.
    pub captured_at: Timestamp,
}

/// Shows which fields are set, without their values: they are personal data.
impl fmt::Debug for CheckoutContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckoutContext")
            .field("visitor", &self.visitor.is_some())
            .field("campaign", &self.campaign.is_some())
            .field("tool_ids", &self.tool_ids.len())
            .field("consent", &self.consent)
            .field("device", &self.device)
            .field("click_ids", &self.click_ids.len())
            .field("email", &self.email.is_some())
            .field("captured_at", &self.captured_at)
            .finish_non_exhaustive()
    }
}

/// Stores the context of a checkout under the id of its session. The ledger implements it, and so
/// does any `async` closure over an id and a context.
///
/// If the store fails, the endpoint logs the error and continues the checkout.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not keep checkout contexts",
    note = "implement `CheckoutContextStore`, or pass an async closure over `(String, CheckoutContext)` that returns a `Result`"
)]
pub trait CheckoutContextStore: Send + Sync + 'static {
    /// Stores `context` under the id of a checkout session, `cks_...`.
    fn store(
        &self,
        session_id: &str,
        context: &CheckoutContext,
    ) -> impl Future<Output = Result<(), BoxError>> + Send;
}

impl<F, Fut, E> CheckoutContextStore for F
where
    F: Fn(String, CheckoutContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), E>> + Send,
    E: Into<BoxError>,
{
    async fn store(&self, session_id: &str, context: &CheckoutContext) -> Result<(), BoxError> {
        self(session_id.to_owned(), context.clone()).await.map_err(Into::into)
    }
}

impl<T: CheckoutContextStore> CheckoutContextStore for Arc<T> {
    async fn store(&self, session_id: &str, context: &CheckoutContext) -> Result<(), BoxError> {
        T::store(self, session_id, context).await
    }
}

type Bind = dyn Fn(String, CheckoutContext) -> BoxFuture<Result<(), BoxError>> + Send + Sync;

/// A store with an erased type, so that endpoints are not generic over it.
#[derive(Clone)]
pub(crate) struct ErasedContextStore(Arc<Bind>);

impl ErasedContextStore {
    pub(crate) fn new(store: impl CheckoutContextStore) -> Self {
        let store = Arc::new(store);
        Self(Arc::new(move |session_id, context| {
            let store = Arc::clone(&store);
            Box::pin(async move { store.store(&session_id, &context).await })
        }))
    }

    /// Stores the context, and logs an error.
    pub(crate) async fn store(&self, session_id: &str, context: CheckoutContext) {
        let bound = crate::panic::catch(|| (self.0)(session_id.to_owned(), context)).await;
        let error: BoxError = match bound {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error,
            Err(_panicked) => "the store panicked".into(),
        };
        tracing::error!(target: "dodo::capture", session_id, error = %error, "the context of a checkout was not kept");
    }
}

impl fmt::Debug for ErasedContextStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ErasedContextStore")
    }
}
