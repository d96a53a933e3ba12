//! The destinations of booked records.

use dodo_ledger::{LedgerBuilder, sink::Segment};

use crate::{StartError, options::Options};

/// Adds the sinks that the options name.
pub(crate) fn with_sinks(
    ledger: LedgerBuilder,
    options: &Options,
) -> Result<LedgerBuilder, StartError> {
    let Some(write_key) = &options.segment_write_key else { return Ok(ledger) };
    let segment = Segment::at(&options.segment_url, write_key).map_err(|error| {
        StartError::caused("SEGMENT_WRITE_KEY or SEGMENT_URL is unusable", error)
    })?;
    // Most payments of a demo are in test mode.
    Ok(ledger.sink(segment.include_test_mode()))
}
