//! The workload on turmoil, over UDP, with ticks of ten milliseconds.

use crate::shared::Shared;
use crate::workload::{HEARTBEAT_BYTES, INTERVAL, LATENCY, Outcome, Workload, heartbeat};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};
use turmoil::net::UdpSocket;

/// Ten times the default: coarser times for a tenth of the work.
const TICK: Duration = Duration::from_millis(10);

const PORT: u16 = 11_443;
const ANY: (&str, u16) = ("0.0.0.0", PORT);

pub fn run(workload: Workload) -> Outcome {
    let shared = Shared::new(workload);
    let mut simulation = turmoil::Builder::new()
        .tick_duration(TICK)
        .min_message_latency(LATENCY[0])
        .max_message_latency(LATENCY[1])
        .simulation_duration(workload.end() + INTERVAL)
        .rng_seed(1)
        .build();
    let receiving = shared.clone();
    simulation.host("coordinator", move || receive(receiving.clone()));
    for node in 0..workload.nodes {
        simulation.client(format!("n{node}"), beat(node, workload, shared.clone()));
    }
    simulation.run().expect("every node is answered");
    shared.outcome()
}

fn now() -> u64 {
    turmoil::elapsed().as_micros() as u64
}

async fn look(shared: Shared) {
    loop {
        sleep(INTERVAL).await;
        shared.lock().coordinator.look(now());
    }
}

async fn receive(shared: Shared) -> turmoil::Result {
    tokio::spawn(look(shared.clone()));
    let socket = UdpSocket::bind(ANY).await?;
    let mut bytes = [0; HEARTBEAT_BYTES];
    loop {
        let (_, from) = socket.recv_from(&mut bytes).await?;
        let number = {
            let mut outcome = shared.lock();
            outcome.delivered += 1;
            outcome.coordinator.receive(&bytes, now()).1
        };
        socket.send_to(&number.to_le_bytes(), from).await?;
    }
}

async fn beat(node: u32, workload: Workload, shared: Shared) -> turmoil::Result {
    let socket = UdpSocket::bind(ANY).await?;
    // The first one is sent when the coordinator has its socket.
    sleep(workload.phase(node) + INTERVAL / 10).await;
    let start = Instant::now();
    for number in 1..=workload.heartbeats {
        sleep_until(start + INTERVAL * (number - 1)).await;
        socket.send_to(&heartbeat(node, number), ("coordinator", PORT)).await?;
        let mut answer = [0; 4];
        socket.recv_from(&mut answer).await?;
        shared.lock().answered(node, u32::from_le_bytes(answer));
    }
    Ok(())
}
