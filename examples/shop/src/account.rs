//! The data of an account: its access by billing, and its payments with the shipped goods.

use dodo_billing::{Access, AccessSource, PaymentLine, ReasonCode, SourceKind};
use dodo_core::BoxError;

use crate::{Shop, session::Account};

/// The most payments that the account page shows.
const PAYMENTS: usize = 50;

/// The content of the account page.
#[derive(Clone, Debug)]
pub(crate) struct AccountView {
    pub(crate) access: Access,
    /// Newest first.
    pub(crate) payments: Vec<Paid>,
}

/// A payment and its goods.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Paid {
    pub(crate) line: PaymentLine,
    /// Whether it is for something that is paid once.
    pub(crate) is_order: bool,
    /// The name of the goods, or of the product.
    pub(crate) name: String,
    /// Whether the goods are shipped.
    pub(crate) is_shipped: bool,
    /// Whether its money was lost in a dispute.
    pub(crate) is_disputed: bool,
}

impl Shop {
    pub(crate) async fn account_view(&self, account: &Account) -> Result<AccountView, BoxError> {
        let owner = self.billing().owner(&account.id);
        let access = owner.access().await?;
        let mut payments = Vec::new();
        let lines = owner.payments().await?.into_iter();
        for line in lines.filter(|line| line.status == "succeeded").take(PAYMENTS) {
            let goods = self.database().goods_of(&line.id).await?;
            let purchase = access.purchases().find(|source| is_of(source, &line.id));
            let product = line.product.as_deref().filter(|_| purchase.is_some());
            let name = goods.clone().or(product.map(|id| self.catalog().name(id).to_owned()));
            payments.push(Paid {
                is_order: purchase.is_some(),
                name: name.unwrap_or_else(|| "Subscription".to_owned()),
                is_shipped: goods.is_some(),
                is_disputed: purchase
                    .is_some_and(|source| source.reason.code == ReasonCode::Disputed),
                line,
            });
        }
        Ok(AccountView { access, payments })
    }
}

fn is_of(purchase: &AccessSource, payment_id: &str) -> bool {
    matches!(&purchase.kind, SourceKind::Purchase(id) if id == payment_id)
}
