//! The one lock around the state, and whoever waits for changes of it.

use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use crate::{api::fault::Faults, flow, state::World};

/// What every request and worker shares.
#[derive(Debug)]
pub(crate) struct App {
    world: Mutex<World>,
    changes: watch::Sender<()>,
    pub(crate) api_key: String,
    /// May read and not write.
    pub(crate) read_only_key: String,
    /// Signs what goes to the endpoints that the library and the command line register.
    pub(crate) webhook_secret: String,
    pub(crate) faults: Faults,
}

impl App {
    pub(crate) fn new(world: World, api_key: String, webhook_secret: String) -> Self {
        Self {
            world: Mutex::new(world),
            changes: watch::Sender::new(()),
            read_only_key: format!("{api_key}_readonly"),
            api_key,
            webhook_secret,
            faults: Faults::default(),
        }
    }

    /// The settings of an app that uses the sandbox at this address.
    pub(crate) fn env(&self, url: &str) -> [(&'static str, String); 5] {
        [
            ("DODO_PAYMENTS_BASE_URL", url.to_owned()),
            ("DODO_PAYMENTS_CHECKOUT_URL", url.to_owned()),
            ("DODO_PAYMENTS_API_KEY", self.api_key.clone()),
            ("DODO_PAYMENTS_WEBHOOK_KEY", self.webhook_secret.clone()),
            ("DODO_PAYMENTS_ENVIRONMENT", "test_mode".to_owned()),
        ]
    }

    /// Looks at the state after everything that fell due by now has been acted out. The lock is held
    /// while `look` runs, which therefore does no I/O.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        flow::schedule::settle(&mut world);
        look(&mut world)
    }

    /// As [`with`](Self::with), and wakes those who wait for changes.
    pub(crate) fn change<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        let result = self.with(act);
        self.changes.send_replace(());
        result
    }

    /// Tells of every change from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }
}
