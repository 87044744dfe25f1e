//! An address of its own that leads to the server, and can be shut: what a client sees when its connection breaks.

use crate::failure::Failure;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// A way to the first of the servers. While it is shut nobody gets in, and who was in is out.
pub struct Door {
    /// `HOST:PORT`, the same each time it is opened.
    pub address: String,
    server: String,
    guard: Option<JoinHandle<()>>,
}

impl Door {
    /// A new way to the first of these servers.
    pub async fn open(servers: &str) -> Result<Self, Failure> {
        let server = servers.split(',').next().unwrap_or_default().to_owned();
        let mut door = Self { address: "127.0.0.1:0".to_owned(), server, guard: None };
        door.reopen().await?;
        Ok(door)
    }

    /// Lets in again, at the same address.
    pub async fn reopen(&mut self) -> Result<(), Failure> {
        let listener = TcpListener::bind(&self.address).await.map_err(Failure::of_door)?;
        self.address = listener.local_addr().map_err(Failure::of_door)?.to_string();
        self.guard = Some(tokio::spawn(let_in(listener, self.server.clone())));
        Ok(())
    }

    /// Breaks all connections.
    pub async fn shut(&mut self) {
        if let Some(guard) = self.guard.take() {
            guard.abort();
            // It ends by being aborted, which is no news.
            let _ = guard.await;
        }
    }
}

async fn let_in(listener: TcpListener, server: String) {
    // Aborted with this task, since they belong to it.
    let mut connections = JoinSet::new();
    while let Ok((mut client, _)) = listener.accept().await {
        let server = server.clone();
        connections.spawn(async move {
            if let Ok(mut server) = TcpStream::connect(server).await {
                // Whichever side hangs up, the other one notices.
                let _ = copy_bidirectional(&mut client, &mut server).await;
            }
        });
    }
}
