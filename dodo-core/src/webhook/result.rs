//! The result of a callback, and the state that callbacks take: and the compiler messages for both.

use crate::BoxError;

mod private {
    use crate::BoxError;

    /// Seals [`CallbackResult`](super::CallbackResult) and [`StateFor`](super::StateFor).
    pub trait Sealed {}

    impl Sealed for () {}
    impl Sealed for Result<(), BoxError> {}
    impl Sealed for super::NoState {}
    impl<S> Sealed for super::Given<S> {}
}

/// The results that a callback may have: `()` and `Result<(), BoxError>`.
#[diagnostic::on_unimplemented(
    message = "a callback returns `()` or `Result<(), BoxError>`, and this one returns `{Self}`",
    label = "return `Result<(), BoxError>`: `?` converts other errors into it"
)]
pub trait CallbackResult: private::Sealed {
    #[doc(hidden)]
    fn into_result(self) -> Result<(), BoxError>;
}

impl CallbackResult for () {
    fn into_result(self) -> Result<(), BoxError> {
        Ok(())
    }
}

impl CallbackResult for Result<(), BoxError> {
    fn into_result(self) -> Self {
        self
    }
}

/// The builder has no state, for callbacks without a state.
#[derive(Clone, Copy, Debug)]
pub struct NoState;

/// The state of [`WebhooksBuilder::with_state`](crate::webhook::WebhooksBuilder::with_state).
#[derive(Clone, Copy, Debug)]
pub struct Given<S>(pub(super) S);

/// A builder that has the state `S` of its callbacks.
#[diagnostic::on_unimplemented(
    message = "the callbacks take state `{S}`, and this builder has no state",
    label = "call `.with_state(..)` with a `{S}` before `.build()`"
)]
pub trait StateFor<S>: private::Sealed {
    #[doc(hidden)]
    fn into_state(self) -> S;
}

impl StateFor<()> for NoState {
    fn into_state(self) {}
}

impl<S> StateFor<S> for Given<S> {
    fn into_state(self) -> S {
        self.0
    }
}
