//! A database and the processes on it.

use std::path::PathBuf;

use dodo_ledger::{Ledger, Store};

use crate::{cluster::Cluster, delivery::Sender, oracle::Database, process::Place};

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) places: Vec<Place>,
    pub(crate) database: Database,
    pub(crate) cluster: Option<Cluster>,
    directory: Option<PathBuf>,
}

impl World {
    /// One process and one file.
    pub(crate) async fn sqlite() -> Self {
        let name = format!("dodo-faults-{}-{}", std::process::id(), fastrand::u32(..));
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        let mut world = Self::sqlite_at(&directory).await;
        world.directory = Some(directory);
        world
    }

    pub(crate) async fn sqlite_at(directory: &std::path::Path) -> Self {
        let url = format!("sqlite:{}/ledger.db", directory.display());
        Self::on(&url, 1, None).await
    }

    /// Several processes on a PostgreSQL of their own; `None` when it is not installed.
    pub(crate) async fn postgres(instances: usize) -> Option<Self> {
        let Some(cluster) = Cluster::start() else {
            assert!(
                std::env::var("DODO_REQUIRE_POSTGRES").map_or(true, |value| value != "1"),
                "DODO_REQUIRE_POSTGRES=1, but `initdb` is not installed"
            );
            return None;
        };
        let url = cluster.url();
        Some(Self::on(&url, instances, Some(cluster)).await)
    }

    async fn on(url: &str, instances: usize, cluster: Option<Cluster>) -> Self {
        let database = Database(url.to_owned());
        Ledger::builder(Store::open(url).await.unwrap()).build().migrate().await.unwrap();
        // No constraint: a second effect must show.
        database.run("CREATE TABLE effect (event TEXT NOT NULL)").await;
        let places = (0..instances).map(|_| Place::new(url)).collect();
        Self { places, database, cluster, directory: None }
    }

    /// Sets something in every process to be started.
    pub(crate) fn set(&mut self, name: &str, value: impl ToString) -> &mut Self {
        for place in &mut self.places {
            place.set(name, value.to_string());
        }
        self
    }

    pub(crate) fn start(&mut self) -> &mut Self {
        for place in &mut self.places {
            place.start();
        }
        self
    }

    pub(crate) fn sender(&self) -> Sender {
        let ports: Vec<u16> = self.places.iter().map(|place| place.port).collect();
        Sender::to(&ports)
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
