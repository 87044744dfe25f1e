//! The workload on madsim's `Endpoint`, its datagrams: one task for each node, and one that receives and answers.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "std's `Instant`, but inside the simulation it shows the simulation's time"
)]

use crate::shared::{COORDINATOR, Shared, coordinator, node, now, runtime};
use crate::workload::{HEARTBEAT_BYTES, INTERVAL, Outcome, Workload, heartbeat};
use madsim::net::Endpoint;
use madsim::time::{Instant, sleep, sleep_until};
use std::io;

const HEARTBEAT: u64 = 1;
const ANSWER: u64 = 2;

pub fn run(workload: Workload) -> Outcome {
    let runtime = runtime();
    let shared = Shared::new(workload);
    let receiving = coordinator(&runtime);
    receiving.spawn(receive(shared.clone()));
    receiving.spawn(look(shared.clone()));
    for number in 0..workload.nodes {
        node(&runtime, number).spawn(beat(number, workload, shared.clone()));
    }
    runtime.block_on(async { sleep(workload.end()).await });
    shared.outcome()
}

async fn look(shared: Shared) {
    loop {
        sleep(INTERVAL).await;
        shared.lock().coordinator.look(now());
    }
}

async fn receive(shared: Shared) -> io::Result<()> {
    let endpoint = Endpoint::bind(COORDINATOR).await?;
    let mut bytes = [0; HEARTBEAT_BYTES];
    loop {
        let (_, from) = endpoint.recv_from(HEARTBEAT, &mut bytes).await?;
        let number = {
            let mut outcome = shared.lock();
            outcome.delivered += 1;
            outcome.coordinator.receive(&bytes, now()).1
        };
        endpoint.send_to(from, ANSWER, &number.to_le_bytes()).await?;
    }
}

async fn beat(node: u32, workload: Workload, shared: Shared) -> io::Result<()> {
    // The first one is sent when the coordinator has its socket.
    let start = Instant::now() + workload.phase(node) + INTERVAL / 10;
    let endpoint = Endpoint::bind("0.0.0.0:0").await?;
    for number in 1..=workload.heartbeats {
        sleep_until(start + INTERVAL * (number - 1)).await;
        endpoint.send_to(COORDINATOR, HEARTBEAT, &heartbeat(node, number)).await?;
        let mut answer = [0; 4];
        endpoint.recv_from(ANSWER, &mut answer).await?;
        shared.lock().answered(node, u32::from_le_bytes(answer));
    }
    Ok(())
}
