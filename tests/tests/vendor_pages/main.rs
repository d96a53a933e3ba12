//! Follows the steps of each vendor's own page about Dodo Payments, against the sandbox. A test sends the
//! values of the page, and finds the promised ones in the record or in the request of the sink.

mod app;
mod bantico;
mod segment;
mod visitors_now;
