//! A database and the processes on it.

use std::{path::PathBuf, time::Duration};

use dodo_ledger::{Ledger, Store};

use crate::{
    child::setting,
    cluster::Cluster,
    delivery::Sender,
    mirror::Mirror,
    oracle::Database,
    process::Place,
    rows::Trial,
    wait::{Step, doing},
};

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) places: Vec<Place>,
    pub(crate) database: Database,
    cluster: Option<Cluster>,
    directory: Option<PathBuf>,
    /// How long a sender repeats.
    patience: Duration,
}

impl World {
    /// One process and one file.
    pub(crate) async fn sqlite(trial: Trial) -> Step<Self> {
        let name = format!("dodo-faults-{}-{}", std::process::id(), fastrand::u32(..));
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        let mut world = Self::sqlite_at(trial, &directory).await?;
        world.directory = Some(directory);
        Ok(world)
    }

    pub(crate) async fn sqlite_at(trial: Trial, directory: &std::path::Path) -> Step<Self> {
        let url = format!("sqlite:{}/ledger.db", directory.display());
        Ok(Self::on(trial, &url, 1, None).await)
    }

    /// Several processes on a PostgreSQL of their own.
    pub(crate) async fn postgres(trial: Trial, instances: usize) -> Step<Self> {
        let cluster = Cluster::start()?;
        let url = cluster.url();
        Ok(Self::on(trial, &url, instances, Some(cluster)).await)
    }

    async fn on(trial: Trial, url: &str, instances: usize, cluster: Option<Cluster>) -> Self {
        doing("making the tables");
        let database = Database(url.to_owned());
        Ledger::builder(Store::open(url).await.unwrap()).build().unwrap().migrate().await.unwrap();
        // No constraint: a second effect must show.
        database.run("CREATE TABLE effect (event TEXT NOT NULL)").await;
        let places = (0..instances).map(|_| Place::new(url)).collect();
        let patience = trial.limit() / 2;
        let mut world = Self { places, database, cluster, directory: None, patience };
        for (name, value) in trial.environment() {
            world.set(name, value);
        }
        world
    }

    /// Sets something in every process to be started.
    pub(crate) fn set(&mut self, name: &str, value: impl ToString) -> &mut Self {
        for place in &mut self.places {
            place.set(name, value.to_string());
        }
        self
    }

    /// Gives every process to be started the projection of [`Mirror`].
    pub(crate) async fn mirror(&mut self) -> &mut Self {
        let store = Store::open(&self.database.0).await.unwrap();
        Ledger::builder(store).projection(Mirror).open().await.unwrap();
        self.set(setting::MIRROR, 1)
    }

    /// Starts every process, and gives a sender to all of them.
    pub(crate) fn start(&mut self) -> Step<Sender> {
        for place in &mut self.places {
            place.start()?;
        }
        Ok(self.sender())
    }

    pub(crate) fn sender(&self) -> Sender {
        let ports: Vec<u16> = self.places.iter().map(|place| place.port).collect();
        self.sender_to(&ports)
    }

    pub(crate) fn sender_to(&self, ports: &[u16]) -> Sender {
        Sender::to(ports, self.patience)
    }

    pub(crate) fn cluster(&self) -> &Cluster {
        self.cluster.as_ref().unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.places.clear();
        if let Some(directory) = &self.directory {
            let _leave_no_trace = std::fs::remove_dir_all(directory);
        }
    }
}
