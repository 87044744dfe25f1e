//! Uses a running ZooKeeper server through the crate `zookeeper-client`, and says whether all is as it must be.

mod door;
mod failure;
mod sessions;
mod transactions;
mod values;
mod watches;

use failure::Failure;
use std::process::ExitCode;
use std::time::Duration;
use zookeeper_client as zk;

/// A check takes seconds, of which most are the waiting for a timeout of the client.
const CHECK_SECONDS_MAX: u64 = 30;

/// Where a check works: a server, and a client whose `/` is a znode of this run's own.
pub struct Place {
    /// `HOST:PORT`, or several with commas.
    servers: String,
    /// The znode that is the `/` of all clients.
    root: String,
}

impl Place {
    /// Another client with a session of its own, on the same place.
    async fn client(&self) -> Result<zk::Client, Failure> {
        self.enter(zk::Client::connector(), &self.servers).await
    }

    /// The same for a client that is to be set up in a certain way, or to connect elsewhere.
    async fn enter(&self, connector: zk::Connector, servers: &str) -> Result<zk::Client, Failure> {
        let client = connector.connect(servers).await?;
        // Its server may lag behind the ones that other clients have written to.
        client.sync("/").await?;
        client.chroot(self.root.clone()).map_err(|_| Failure::new(format!("{} is no path", self.root)))
    }
}

/// The options of a znode that anybody may do anything with.
const fn open_to_all(mode: zk::CreateMode) -> zk::CreateOptions<'static> {
    mode.with_acls(zk::Acls::anyone_all())
}

/// The options of the plainest znode.
const PERSISTENT: zk::CreateOptions<'static> = open_to_all(zk::CreateMode::Persistent);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(servers), None) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: zeromaster-rust-client HOST:PORT[,HOST:PORT...]");
        return ExitCode::from(2);
    };
    match run(servers).await {
        Ok(()) => {
            println!("all is as it must be");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            println!("BROKEN: {failure}");
            ExitCode::from(1)
        }
    }
}

async fn run(servers: String) -> Result<(), Failure> {
    let cleaner = within("connecting", async { Ok(zk::Client::connect(&servers).await?) }).await?;
    let place = Place { root: format!("/rust-{:016x}", cleaner.session_id().0), servers };
    cleaner.create(&place.root, b"", &PERSISTENT).await?;

    within("reading and writing", values::read_and_write(&place)).await?;
    within("kinds of znodes", values::kinds(&place)).await?;
    within("access control", values::access(&place)).await?;
    within("transactions", transactions::all_or_nothing(&place)).await?;
    within("reading several at once", transactions::read_several(&place)).await?;
    within("one-shot watches", watches::one_shot(&place)).await?;
    within("persistent watches", watches::persistent(&place)).await?;
    within("watches through a broken connection", watches::reconnect(&place)).await?;
    within("a session's end", sessions::end(&place)).await?;
    within("a session found again", sessions::found_again(&place)).await?;
    within("a lock", sessions::lock(&place)).await?;

    within("cleaning up", values::delete_all(&cleaner, &place.root)).await
}

/// Says what is being checked, and gives it an end.
async fn within<T>(what: &str, check: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    println!("{what}");
    let limit = Duration::from_secs(CHECK_SECONDS_MAX);
    tokio::time::timeout(limit, check)
        .await
        .unwrap_or_else(|_| Err(Failure::new(format!("not done after {CHECK_SECONDS_MAX} s"))))
        .map_err(|failure| failure.during(what))
}
