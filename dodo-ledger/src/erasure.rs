//! The report of an erasure.

/// The result of [`Ledger::erase_customer`](crate::Ledger::erase_customer).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErasureReport {
    /// Records that were changed.
    pub records: u64,
    /// Deliveries whose body was erased, or will be when a callback that waits for it is done.
    pub deliveries: u64,
    /// Whether the ledger had data of the customer: records, deliveries, or facts without money. `false`:
    /// the id or the address is unknown.
    pub found: bool,
}
