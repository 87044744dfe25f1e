//! Counts and times of a server, for its four-letter words.

use std::collections::VecDeque;
use std::time::Duration;
use zeromaster_zookeeper::protocol::{ClientMessage, ServerMessage};

/// How many requests of a connection are timed at once. There are more only of those that are never answered: `check`,
/// with 3.8.0.
const ASKED_MAX: usize = 2000;

/// How many messages have come and gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) received: u64,
    pub(crate) sent: u64,
}

/// The figures of a server: of all its connections, those that are closed too.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) traffic: Traffic,
    pub(crate) latency: Latency,
    /// How many bytes of requests have arrived since none waited for the leader.
    pub(crate) outstanding_bytes: usize,
}

impl Figures {
    /// Counts anew, as ZooKeeper does when it is asked to (`ServerStats.reset`).
    pub(crate) fn reset(&mut self) {
        (self.traffic, self.latency) = (Traffic::default(), Latency::default());
    }
}

/// How long answers took. ZooKeeper counts whole milliseconds; here most take less, so the average counts microseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Latency {
    count: u64,
    total_micros: u64,
    min_millis: Option<u64>,
    max_millis: u64,
}

impl Latency {
    pub(crate) fn add(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let millis = micros / 1_000;
        self.count += 1;
        self.total_micros = self.total_micros.saturating_add(micros);
        self.min_millis = Some(self.min_millis.map_or(millis, |min| min.min(millis)));
        self.max_millis = self.max_millis.max(millis);
    }

    /// In milliseconds.
    pub(crate) fn min(self) -> u64 {
        self.min_millis.unwrap_or(0)
    }

    /// In milliseconds.
    pub(crate) fn max(self) -> u64 {
        self.max_millis
    }

    /// In milliseconds, as Java writes it: rounded to four places, of which one at least is shown.
    pub(crate) fn average(self) -> String {
        let count = u128::from(self.count);
        let ten_thousandths =
            (u128::from(self.total_micros) * 10 + count / 2).checked_div(count).unwrap_or(0);
        let places = format!("{:04}", ten_thousandths % 10_000);
        let shown = places.trim_end_matches('0');
        format!("{}.{}", ten_thousandths / 10_000, if shown.is_empty() { "0" } else { shown })
    }
}

/// When the requests of a connection were read that are not answered. Credentials are not timed, as with ZooKeeper: their
/// answer may overtake others.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    at: VecDeque<(Request, Duration)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Request {
    Connect,
    Ping,
    Number(i32),
}

impl Asked {
    /// A message was read.
    pub(crate) fn note(&mut self, message: &ClientMessage, at: Duration) {
        let request = match message {
            ClientMessage::Connect { .. } => Request::Connect,
            ClientMessage::Ping => Request::Ping,
            ClientMessage::Request { xid, .. } | ClientMessage::CloseSession { xid } => Request::Number(*xid),
            ClientMessage::Authenticate { .. } => return,
        };
        if self.at.len() >= ASKED_MAX {
            self.at.pop_front();
        }
        self.at.push_back((request, at));
    }

    /// A message is sent. If it is an answer: when it was asked for. What was asked before it is never answered.
    pub(crate) fn answered(&mut self, message: &ServerMessage) -> Option<Duration> {
        let request = match message {
            ServerMessage::Connected { .. } | ServerMessage::Expired => Request::Connect,
            ServerMessage::Pong { .. } => Request::Ping,
            ServerMessage::Reply { xid, .. } | ServerMessage::SessionClosed { xid, .. } => {
                Request::Number(*xid)
            }
            ServerMessage::Event { .. } => return None,
        };
        let place = self.at.iter().position(|(asked, _)| *asked == request)?;
        self.at.drain(..=place).next_back().map(|(_, at)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeromaster_zookeeper::{Operation, Reply, Zxid};

    #[test]
    fn an_average_is_written_as_java_writes_it() {
        for (latencies, expected) in [
            (&[][..], "0.0"),
            (&[0], "0.0"),
            (&[54], "54.0"),
            (&[1, 0, 0], "0.3333"),
            (&[1, 1, 0], "0.6667"),
            (&[1, 0], "0.5"),
            (&[19, 97], "58.0"),
        ] {
            let mut latency = Latency::default();
            latencies.iter().for_each(|millis| latency.add(Duration::from_millis(*millis)));
            assert_eq!(latency.average(), expected, "{latencies:?}");
        }
    }

    #[test]
    fn the_least_and_the_greatest_are_kept_and_are_zero_at_first() {
        let mut latency = Latency::default();
        assert_eq!((latency.min(), latency.max()), (0, 0));
        [7, 3, 5].into_iter().for_each(|millis| latency.add(Duration::from_millis(millis)));
        assert_eq!((latency.min(), latency.max()), (3, 7));
        latency.add(Duration::from_micros(999));
        assert_eq!((latency.min(), &*latency.average()), (0, "3.9998"));
    }

    #[test]
    fn an_answer_is_found_behind_requests_that_are_never_answered() {
        let mut asked = Asked::default();
        let at = Duration::from_secs;
        let request = |xid| ClientMessage::Request { xid, operation: Operation::WhoAmI };
        let reply = |xid| ServerMessage::Reply { xid, zxid: Zxid(0), result: Ok(Reply::Nothing) };
        asked.note(&request(1), at(1));
        asked.note(&request(2), at(2));
        asked.note(&ClientMessage::Ping, at(3));
        let credentials = (*b"x").into();
        asked.note(&ClientMessage::Authenticate { xid: -4, scheme: "digest".into(), credentials }, at(4));
        assert_eq!(asked.answered(&reply(-4)), None, "credentials are not timed");
        assert_eq!(asked.answered(&reply(2)), Some(at(2)));
        assert_eq!(asked.answered(&reply(1)), None);
        assert_eq!(asked.answered(&ServerMessage::Pong { zxid: Zxid(0) }), Some(at(3)));
        for xid in 0..10_000 {
            asked.note(&request(xid), at(5));
        }
        assert_eq!(asked.at.len(), ASKED_MAX);
        assert_eq!(asked.answered(&reply(9_999)), Some(at(5)));
    }
}
