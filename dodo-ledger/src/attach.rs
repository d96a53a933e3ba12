//! Connects webhooks, inbox and workers in one call, so that an application cannot omit one of
//! them.

use dodo_core::{
    Webhooks,
    webhook::{Inbox, StateFor, WebhooksBuilder},
};

use crate::{
    error::Error,
    ledger::{Ledger, ReceiveOnly},
    worker::{self, Workers},
};

impl Ledger {
    /// Sets this ledger as the inbox of `hooks`, builds them, and starts the workers. The workers
    /// book the stored events, run the callbacks and send records to the sinks. If `hooks` know the
    /// capture, as those of [`Dodo`](dodo_core::Dodo) do, the ledger reads only the campaign keys
    /// of its presets.
    ///
    /// Any number of instances can do this on one PostgreSQL.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) if `hooks` already have an inbox, or if an option of `hooks` is
    /// wrong.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn attach<S, P>(&self, hooks: WebhooksBuilder<S, P>) -> Result<(Webhooks, Workers), Error>
    where
        S: Clone + Send + Sync + 'static,
        P: StateFor<S>,
    {
        let hooks = self.build_with_inbox(hooks, self.clone())?;
        let workers = worker::spawn(&self.shared, hooks.dispatcher());
        tracing::info!(
            target: "dodo::ledger",
            store = self.shared.store.name(),
            mode = %hooks.key().environment(),
            "ledger attached"
        );
        Ok((hooks, workers))
    }

    /// Sets this ledger as the inbox of `hooks` and builds them, without workers. The callbacks run in
    /// the processes that [`attach`](Self::attach) the same callbacks to the same database.
    ///
    /// # Errors
    /// As [`attach`](Self::attach).
    pub fn receive_only<S, P>(&self, hooks: WebhooksBuilder<S, P>) -> Result<Webhooks, Error>
    where
        S: Clone + Send + Sync + 'static,
        P: StateFor<S>,
    {
        self.build_with_inbox(hooks, ReceiveOnly(self.clone()))
    }

    fn build_with_inbox<S, P>(
        &self,
        hooks: WebhooksBuilder<S, P>,
        inbox: impl Inbox,
    ) -> Result<Webhooks, Error>
    where
        S: Clone + Send + Sync + 'static,
        P: StateFor<S>,
    {
        if hooks.has_inbox() {
            return Err(Error::config("the webhooks have an inbox: remove `.inbox(..)`"));
        }
        if let Some(rules) = self.shared.rules.joined_with(hooks.metadata()) {
            // The webhooks of one application have one capture, so the ledger uses the first one.
            let _same = self.shared.attached.set(rules);
        }
        let built = hooks.inbox(inbox).build();
        built.map_err(|error| Error::config("the webhooks cannot be built").with_source(error))
    }
}
