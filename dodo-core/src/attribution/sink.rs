use std::{future::Future, pin::Pin, sync::Arc};

use super::AttributionRecord;
use crate::BoxError;

/// A destination for attribution records: a ledger, an analytics tool, or a closure.
///
/// The same record can arrive more than once, like events: deduplicate by
/// [`AttributionRecord::id`].
///
/// ```
/// # use dodo_core::attribution::{AttributionRecord, AttributionSink};
/// fn print() -> impl AttributionSink {
///     |record: AttributionRecord| async move {
///         println!("{} {:?}", record.id, record.kind);
///         Ok::<(), std::io::Error>(())
///     }
/// }
/// # print();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an attribution sink",
    note = "sinks are types with `impl AttributionSink`, an `Arc` of one, and closures `|record: AttributionRecord| async move {{ .. }}`"
)]
pub trait AttributionSink: Send + Sync + 'static {
    /// The reason why the sink could not accept a record.
    type Error: Into<BoxError>;

    /// Accepts a record. After an error the whole event fails and is retried.
    fn emit(
        &self,
        record: &AttributionRecord,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// Closures get an owned record, so that they can keep it across an `await`.
impl<F, Fut, E> AttributionSink for F
where
    F: Fn(AttributionRecord) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), E>> + Send,
    E: Into<BoxError>,
{
    type Error = E;

    fn emit(&self, record: &AttributionRecord) -> impl Future<Output = Result<(), E>> + Send {
        self(record.clone())
    }
}

impl<T: AttributionSink> AttributionSink for Arc<T> {
    type Error = T::Error;

    fn emit(
        &self,
        record: &AttributionRecord,
    ) -> impl Future<Output = Result<(), T::Error>> + Send {
        (**self).emit(record)
    }
}

type Emitting<'a> = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send + 'a>>;

/// [`AttributionSink`] with erased types.
pub(crate) trait DynSink: Send + Sync {
    fn emit<'a>(&'a self, record: &'a AttributionRecord) -> Emitting<'a>;
}

impl<T: AttributionSink> DynSink for T {
    fn emit<'a>(&'a self, record: &'a AttributionRecord) -> Emitting<'a> {
        Box::pin(async move { AttributionSink::emit(self, record).await.map_err(Into::into) })
    }
}
