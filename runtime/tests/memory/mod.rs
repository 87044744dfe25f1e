//! A world in memory: a clock that the test moves, connections that are buffers, and tasks that run when they are woken.

use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, pending, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use zeromaster_core::effect::Durable;
use zeromaster_core::flow::DataFlow;
use zeromaster_core::node::LoadFailure;
use zeromaster_core::status::Version;
use zeromaster_runtime::{Environment, Listener, Place, Reader, Writer};

/// What becomes of an attempt to connect.
#[derive(Clone, Debug)]
pub enum Answer {
    Refused,
    /// Nobody ever answers.
    Never,
    Accepted(Line),
}

/// One direction of a connection.
#[derive(Default)]
struct Pipe {
    bytes: Vec<u8>,
    is_closed: bool,
    reader: Option<Waker>,
}

/// A connection, as the other side holds it.
#[derive(Clone, Default)]
pub struct Line {
    /// To the process.
    to: Arc<Mutex<Pipe>>,
    /// From the process.
    from: Arc<Mutex<Pipe>>,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Line")
    }
}

impl Line {
    /// The process hears this.
    pub fn say(&self, bytes: &[u8]) {
        let mut pipe = self.to.lock().unwrap();
        pipe.bytes.extend_from_slice(bytes);
        pipe.reader.take().into_iter().for_each(Waker::wake);
    }

    /// The process hears nothing more.
    pub fn close(&self) {
        let mut pipe = self.to.lock().unwrap();
        pipe.is_closed = true;
        pipe.reader.take().into_iter().for_each(Waker::wake);
    }

    /// What the process has said, and has not been heard yet.
    pub fn heard(&self) -> Vec<u8> {
        std::mem::take(&mut self.from.lock().unwrap().bytes)
    }

    /// Whether the process has closed its side.
    pub fn is_closed(&self) -> bool {
        self.from.lock().unwrap().is_closed
    }
}

#[derive(Default)]
struct State {
    now: Duration,
    sleepers: Vec<(Duration, Waker)>,
    spawned: Vec<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// What is answered to attempts to connect, by place; the last answer is given for ever.
    answers: BTreeMap<Place, VecDeque<Answer>>,
    /// Who was connected to, and when.
    attempts: Vec<(Duration, Place)>,
    incoming: VecDeque<Line>,
    listener: Option<Waker>,
}

/// The world.
#[derive(Clone, Default)]
pub struct Memory(Arc<Mutex<State>>);

struct Task {
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
    woken: Arc<Woken>,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs the tasks of a world.
pub struct Machine {
    pub memory: Memory,
    tasks: Vec<Task>,
}

impl Machine {
    pub fn new() -> Machine {
        Machine { memory: Memory::default(), tasks: Vec::new() }
    }

    /// Lets everything happen that can happen now.
    pub fn settle(&mut self) {
        loop {
            let spawned = std::mem::take(&mut self.memory.state().spawned);
            let is_new = !spawned.is_empty();
            let begin = |future| Task { future, woken: Arc::new(Woken(AtomicBool::new(true))) };
            self.tasks.extend(spawned.into_iter().map(begin));
            let mut has_run = false;
            self.tasks.retain_mut(|task| {
                if !task.woken.0.swap(false, Ordering::Relaxed) {
                    return true;
                }
                has_run = true;
                let waker = Waker::from(task.woken.clone());
                task.future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending()
            });
            if !has_run && !is_new {
                return;
            }
        }
    }

    /// Lets time pass, a millisecond at a time.
    pub fn pass(&mut self, time: Duration) {
        let until = self.memory.state().now + time;
        while self.memory.state().now < until {
            {
                let mut state = self.memory.state();
                state.now += Duration::from_millis(1);
                let now = state.now;
                let (due, later) = state.sleepers.drain(..).partition(|(at, _)| *at <= now);
                state.sleepers = later;
                let due: Vec<(Duration, Waker)> = due;
                due.into_iter().for_each(|(_, waker)| waker.wake());
            }
            self.settle();
        }
    }

    /// Somebody connects to the process.
    pub fn call(&mut self) -> Line {
        let line = Line::default();
        {
            let mut state = self.memory.state();
            state.incoming.push_back(line.clone());
            state.listener.take().into_iter().for_each(Waker::wake);
        }
        self.settle();
        line
    }
}

impl Memory {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// What is answered to attempts to connect there.
    pub fn answers(&self, place: Place, answers: impl IntoIterator<Item = Answer>) {
        self.state().answers.insert(place, answers.into_iter().collect());
    }

    /// Who was connected to, and when.
    pub fn attempts(&self) -> Vec<(Duration, Place)> {
        self.state().attempts.clone()
    }
}

impl Environment for Memory {
    type Reader = Half;
    type Writer = Half;
    type Listener = Door;
    type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

    fn now(&self) -> Duration {
        self.state().now
    }

    fn sleep_until(&self, at: Duration) -> Self::Sleep {
        let memory = self.clone();
        Box::pin(poll_fn(move |context| {
            let mut state = memory.state();
            if state.now >= at {
                return Poll::Ready(());
            }
            state.sleepers.push((at, context.waker().clone()));
            Poll::Pending
        }))
    }

    async fn listen(&self) -> io::Result<Door> {
        Ok(Door(self.clone()))
    }

    async fn connect(&self, to: &Place) -> io::Result<(Half, Half)> {
        let answer = {
            let mut state = self.state();
            let attempt = (state.now, to.clone());
            state.attempts.push(attempt);
            let answers = state.answers.entry(to.clone()).or_default();
            if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() }
        };
        match answer {
            Some(Answer::Accepted(line)) => Ok((Half(line.to), Half(line.from))),
            Some(Answer::Never) => pending().await,
            Some(Answer::Refused) | None => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.state().spawned.push(Box::pin(task));
    }

    async fn persist(&self, _durable: &Durable) -> io::Result<()> {
        Ok(())
    }

    async fn load_flow(&self, _attempt: Version, _flow: Arc<DataFlow>) -> Result<(), LoadFailure> {
        Ok(())
    }

    async fn offload(&self, _version: Version) {}
}

/// Where connections come in.
pub struct Door(Memory);

impl Listener for Door {
    type Reader = Half;
    type Writer = Half;

    async fn accept(&mut self) -> io::Result<(Half, Half)> {
        let line = poll_fn(|context| {
            let mut state = self.0.state();
            state.listener = Some(context.waker().clone());
            state.incoming.pop_front().map_or(Poll::Pending, Poll::Ready)
        })
        .await;
        Ok((Half(line.to), Half(line.from)))
    }
}

/// A half of a connection, as the process holds it.
pub struct Half(Arc<Mutex<Pipe>>);

impl Reader for Half {
    async fn read(&mut self, bytes: &mut Vec<u8>) -> io::Result<bool> {
        poll_fn(|context| {
            let mut pipe = self.0.lock().unwrap();
            if pipe.bytes.is_empty() && !pipe.is_closed {
                pipe.reader = Some(context.waker().clone());
                return Poll::Pending;
            }
            bytes.append(&mut pipe.bytes);
            Poll::Ready(Ok(!bytes.is_empty()))
        })
        .await
    }
}

impl Writer for Half {
    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap().bytes.extend_from_slice(bytes);
        Ok(())
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        self.0.lock().unwrap().is_closed = true;
    }
}
