//! One node's process: the shell, and a watcher that tells the witness of every step.

use crate::environment::MadsimEnvironment;
use crate::shared::{Shared, World};
use crate::shell::Found;
use std::time::Duration;
use zeromaster_core::effect::Effect;
use zeromaster_core::event::ClusterEvent;
use zeromaster_core::node::{Input, Node};
use zeromaster_core::operator::{Refusal, RequestId};
use zeromaster_runtime::{Driver, News, Observer, Settings};
use zeromaster_sim::plan::NodeNumber;
use zeromaster_zookeeper::{Client, ClientOutput, ConnectionId, ServerMessage};

#[cfg(feature = "flaws")]
pub(crate) type Flaw = zeromaster_runtime::Flaw;
/// Nothing: this build's shells make no mistakes.
#[cfg(not(feature = "flaws"))]
pub(crate) type Flaw = std::convert::Infallible;

/// Runs a node's process, if one is to be started.
pub(crate) async fn process(shared: Shared, node: NodeNumber, port: u16, flaw: Option<Flaw>) {
    let Some((start, offset)) = shared.now(|world| {
        let now = Duration::from_micros(world.witness.now().as_micros());
        let start = world.starting.remove(&node)?;
        Some((start, world.witness.clock_of(node).saturating_sub(now)))
    }) else {
        return;
    };
    let environment = MadsimEnvironment { shared: shared.clone(), node: Some(node), offset, port };
    let settings = Settings {
        config: start.config,
        flow: start.flow,
        client: start.client,
        first_number: start.first_number,
    };
    let watcher = Watcher { shared: shared.clone(), node };
    let (driver, desk) = Driver::new(environment, settings, watcher)
        .unwrap_or_else(|error| unreachable!("the configuration was checked before: {error}"));
    let driver = flawed(driver, flaw);
    drop(madsim::task::spawn(async move {
        if madsim::signal::ctrl_c().await.is_ok() {
            desk.stop().await;
        }
    }));
    let ended = driver.run().await;
    shared.now(|world| {
        world.shell.ended(node);
        match ended {
            Ok(()) => world.witness.stopped(node),
            Err(fatal) => unreachable!("{node}: {fatal}, which this world's disks do"),
        }
    });
}

#[cfg(feature = "flaws")]
fn flawed(
    driver: Driver<MadsimEnvironment, Watcher>,
    flaw: Option<Flaw>,
) -> Driver<MadsimEnvironment, Watcher> {
    match flaw {
        Some(flaw) => driver.with_flaw(flaw),
        None => driver,
    }
}

#[cfg(not(feature = "flaws"))]
fn flawed(driver: Driver<MadsimEnvironment, Watcher>, _: Option<Flaw>) -> Driver<MadsimEnvironment, Watcher> {
    driver
}

/// Tells the witness, and what must hold of shells, of every step of one process.
struct Watcher {
    shared: Shared,
    node: NodeNumber,
}

impl Watcher {
    fn tell(&self, tell: impl FnOnce(&mut World) -> Found) {
        self.shared.now(|world| {
            if let Some((property, finding)) = tell(world) {
                world.witness.found(property, finding);
            }
        });
    }
}

impl Observer for Watcher {
    fn node_steps(&mut self, now: Duration, node: &Node, input: &Input) {
        self.tell(|world| {
            world.witness.steps(self.node, now, node, input);
            world.shell.node_hears(self.node, input)
        });
    }

    fn node_stepped(&mut self, _now: Duration, node: &Node, effects: &[Effect]) {
        self.tell(|world| {
            world.shell.stepped(self.node, effects);
            world.witness.stepped(self.node, node, effects);
            None
        });
    }

    fn heard(&mut self, _now: Duration, connection: ConnectionId, news: &News) {
        self.tell(|world| world.shell.heard(self.node, connection, news));
    }

    fn told(&mut self, _now: Duration, _connection: ConnectionId, message: &ServerMessage) {
        self.tell(|world| {
            world.witness.told(self.node, message);
            None
        });
    }

    fn client_stepped(&mut self, _now: Duration, client: &Client, outputs: &[ClientOutput]) {
        self.tell(|world| {
            world.shell.client_says(self.node, outputs);
            world.witness.client_stepped(self.node, client, outputs);
            None
        });
    }

    fn recorded(&mut self, _now: Duration, event: &ClusterEvent) {
        self.tell(|world| {
            world.witness.recorded(self.node, event);
            None
        });
    }

    fn replied(&mut self, _now: Duration, id: RequestId, outcome: &Result<(), Refusal>) {
        self.tell(|world| {
            world.witness.replied(self.node, id, outcome);
            None
        });
    }
}
