//! Connections, and transactions that are tried again when that is safe.

use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Pool, PoolError, RecyclingMethod, Runtime, Timeouts,
};
use uuid::Uuid;

use super::address::ServerAddress;
use super::fault::{TransactionFault, told};
use super::query::OpeningQueries;
use super::tx::{PostgresTransaction, TransactionMode};
use crate::ledger::LeaseTiming;
use crate::store::{ClockSource, StoreError};

/// Connections at most. More would only wait for one another in the database.
const CONNECTIONS: usize = 16;

/// Time limit of the wait for a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// Number of tries of a transaction that was undone.
const TRIES: u32 = 5;

/// The settings of each connection: a coordinator that hangs must not hold locks for long, and
/// statements are planned once, since to plan those of a grant takes as long as to run them.
const SETTINGS: &str = "SET statement_timeout = '30s'; \
     SET idle_in_transaction_session_timeout = '30s'; \
     SET default_transaction_isolation = 'read committed'; \
     SET plan_cache_mode = 'force_generic_plan'";

/// Number of uses of a connection before it plans its statements again: the tables may have grown
/// from nothing since, and the database has not counted them yet.
const USES: usize = 256;

/// The work of a transaction.
pub(crate) type ModelWork<'t, T> =
    Pin<Box<dyn Future<Output = Result<T, TransactionFault>> + Send + 't>>;

/// The connections of one store.
#[derive(Clone)]
pub(crate) struct PooledConnections {
    pool: Pool,
    timing: LeaseTiming,
    clock: ClockSource,
    /// Transactions at work in other databases of the server, when that was looked at last.
    elsewhere: Arc<RwLock<Arc<[i64]>>>,
    /// The coordinator that this is.
    me: Uuid,
}

impl std::fmt::Debug for PooledConnections {
    /// Without the configuration, which has a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PooledConnections").field("timing", &self.timing).finish_non_exhaustive()
    }
}

impl PooledConnections {
    /// Those to a database, by its URL. Opens none yet.
    pub(crate) fn to(
        url: &str,
        timing: LeaseTiming,
        clock: ClockSource,
    ) -> Result<Self, StoreError> {
        let broken = |error: &dyn std::fmt::Display| StoreError::Broken(error.to_string());
        let ServerAddress { mut config, tls } =
            ServerAddress::read(url).map_err(|error| broken(&error))?;
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(PATIENCE);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(PATIENCE * 3);
        }
        if config.get_application_name().is_none() {
            config.application_name("aq coordinator");
        }
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let settings = Hook::async_fn(|client: &mut deadpool_postgres::ClientWrapper, _| {
            Box::pin(
                async move { client.batch_execute(SETTINGS).await.map_err(HookError::Backend) },
            )
        });
        let plan_again =
            Hook::async_fn(|client: &mut deadpool_postgres::ClientWrapper, metrics| {
                let is_due = metrics.recycle_count % USES == USES - 1;
                Box::pin(async move {
                    if is_due {
                        client.batch_execute("DISCARD PLANS").await.map_err(HookError::Backend)?;
                    }
                    Ok(())
                })
            });
        let pool = Pool::builder(Manager::from_config(config, tls, recycling))
            .max_size(CONNECTIONS)
            .timeouts(Timeouts {
                wait: Some(PATIENCE),
                create: Some(PATIENCE),
                recycle: Some(PATIENCE),
            })
            .runtime(Runtime::Tokio1)
            .post_create(settings)
            .pre_recycle(plan_again)
            .build()
            .map_err(|error| broken(&error))?;
        Ok(Self { pool, timing, clock, elsewhere: Arc::default(), me: Uuid::new_v4() })
    }

    /// Runs `work` in a transaction, and again when it was undone and that may help. Not when it
    /// may have been committed: the caller hears that it is not known.
    pub(crate) async fn run<T>(
        &self,
        mode: TransactionMode,
        work: impl for<'t> Fn(&'t PostgresTransaction) -> ModelWork<'t, T> + Send + Sync,
    ) -> Result<T, StoreError> {
        self.run_after(mode, OpeningQueries::default(), work).await
    }

    /// The same, with what is asked at the beginning; the rows are in
    /// [`PostgresTransaction::opened`].
    pub(crate) async fn run_after<T>(
        &self,
        mode: TransactionMode,
        opening: impl Into<OpeningQueries>,
        work: impl for<'t> Fn(&'t PostgresTransaction) -> ModelWork<'t, T> + Send + Sync,
    ) -> Result<T, StoreError> {
        let opening = opening.into();
        let mut tries = 1;
        loop {
            match self.once(mode, &opening, &work).await {
                Err(fault) if fault.is_worth_a_retry() && tries < TRIES => tries += 1,
                result => return result.map_err(TransactionFault::into_error),
            }
        }
    }

    fn elsewhere(&self) -> Arc<[i64]> {
        Arc::clone(&self.elsewhere.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks for transactions of other databases. Where that is not allowed, they count as this
    /// one's, and hold readers of what happens back for as long as they go on.
    pub(crate) async fn look_elsewhere(&self) {
        let found = self.run(TransactionMode::Read, |tx| Box::pin(tx.elsewhere())).await;
        let found = found.unwrap_or_default().into();
        *self.elsewhere.write().unwrap_or_else(PoisonError::into_inner) = found;
    }

    async fn once<T>(
        &self,
        mode: TransactionMode,
        opening: &OpeningQueries,
        work: &(impl for<'t> Fn(&'t PostgresTransaction) -> ModelWork<'t, T> + Send + Sync),
    ) -> Result<T, TransactionFault> {
        let client = self.pool.get().await.map_err(|error| unavailable(&error))?;
        let (given, elsewhere) = (self.clock.given(), self.elsewhere());
        let tx = PostgresTransaction::begin(
            client,
            mode,
            self.timing,
            self.me,
            given,
            &elsewhere,
            opening,
        )
        .await?;
        match work(&tx).await {
            Ok(done) => {
                tx.commit().await?;
                Ok(done)
            }
            Err(fault) => {
                tx.roll_back().await;
                Err(fault)
            }
        }
    }
}

fn unavailable(error: &PoolError) -> TransactionFault {
    let why = match error {
        PoolError::Backend(error) => told(error),
        PoolError::Timeout(_) => format!("no connection within {} s", PATIENCE.as_secs()),
        _ => error.to_string(),
    };
    TransactionFault::Store(StoreError::Unavailable(why))
}
