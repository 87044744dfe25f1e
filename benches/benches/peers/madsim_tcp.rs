//! The workload on madsim's TCP: one connection and one task for each node at either end.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "std's `Instant`, but inside the simulation it shows the simulation's time"
)]

use crate::shared::{COORDINATOR, Shared, coordinator, node, now, runtime};
use crate::workload::{HEARTBEAT_BYTES, INTERVAL, Outcome, Workload, heartbeat};
use madsim::net::{TcpListener, TcpStream};
use madsim::time::{Instant, sleep, sleep_until};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Connections are made before the first heartbeat is due.
const CONNECTING: Duration = Duration::from_secs(5);

pub fn run(workload: Workload) -> Outcome {
    let runtime = runtime();
    let shared = Shared::new(workload);
    let accepting = coordinator(&runtime);
    accepting.spawn(accept(shared.clone()));
    accepting.spawn(look(shared.clone()));
    for number in 0..workload.nodes {
        node(&runtime, number).spawn(beat(number, workload, shared.clone()));
    }
    runtime.block_on(async { sleep(CONNECTING + workload.end()).await });
    shared.outcome()
}

async fn look(shared: Shared) {
    loop {
        sleep(INTERVAL).await;
        shared.lock().coordinator.look(now());
    }
}

async fn accept(shared: Shared) -> io::Result<()> {
    let listener = TcpListener::bind(COORDINATOR).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        madsim::task::spawn(serve(stream, shared.clone()));
    }
}

async fn serve(mut stream: TcpStream, shared: Shared) -> io::Result<()> {
    let mut bytes = [0; HEARTBEAT_BYTES];
    loop {
        stream.read_exact(&mut bytes).await?;
        let number = {
            let mut outcome = shared.lock();
            outcome.delivered += 1;
            outcome.coordinator.receive(&bytes, now()).1
        };
        stream.write_all(&number.to_le_bytes()).await?;
        stream.flush().await?;
    }
}

async fn beat(node: u32, workload: Workload, shared: Shared) -> io::Result<()> {
    let start = Instant::now() + CONNECTING + workload.phase(node);
    // Not all in the same instant.
    sleep(workload.phase(node) / 2).await;
    let mut stream = TcpStream::connect(COORDINATOR).await?;
    for number in 1..=workload.heartbeats {
        sleep_until(start + INTERVAL * (number - 1)).await;
        stream.write_all(&heartbeat(node, number)).await?;
        stream.flush().await?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await?;
        shared.lock().answered(node, u32::from_le_bytes(answer));
    }
    Ok(())
}
