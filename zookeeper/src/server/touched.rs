//! The sessions that a follower has heard of since it last answered its leader; what the leader makes of them is left to it.

use crate::types::SessionId;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};
use core::time::Duration;

/// ZooKeeper's `touchTable`. It is filled and emptied at every ping of the leader, and takes no more memory for that.
#[derive(Clone, Debug, Default)]
pub(super) struct Touched {
    /// In the order in which they came. A session may be there more than once; the last time counts.
    touches: Vec<Touch>,
    /// How many there were since the leader was answered.
    count: u64,
    /// What the leader was told last. Its place is used again once nobody reads it any more.
    told: Arc<Vec<(SessionId, Duration)>>,
}

/// Sorted by session, and the touches of one session as they came.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Touch {
    session: SessionId,
    number: u64,
    timeout: Duration,
}

impl Touched {
    /// Something was heard of the session, on a connection with this timeout.
    pub(super) fn touch(&mut self, session: SessionId, timeout: Duration) {
        if self.touches.len() == self.touches.capacity() {
            self.make_room();
        }
        self.touches.push(Touch { session, number: self.count, timeout });
        self.count += 1;
    }

    /// Gives away what there is to tell the leader: each session once, in their order.
    pub(super) fn tell(&mut self) -> Arc<Vec<(SessionId, Duration)>> {
        self.forget_repeated();
        self.count = 0;
        let touches = self.touches.drain(..).map(|touch| (touch.session, touch.timeout));
        match Arc::get_mut(&mut self.told) {
            Some(told) => {
                told.clear();
                told.extend(touches);
            }
            None => self.told = Arc::new(touches.collect()),
        }
        self.told.clone()
    }

    /// A session that is heard of all the time must not fill the memory. More memory is taken when most of it is in use
    /// after all, so that this is done rarely.
    #[cold]
    fn make_room(&mut self) {
        self.forget_repeated();
        if self.touches.len() > self.touches.capacity() / 2 {
            self.touches.reserve(self.touches.capacity());
        }
    }

    fn forget_repeated(&mut self) {
        self.touches.sort_unstable();
        self.touches.dedup_by(|later, kept| {
            let same = later.session == kept.session;
            if same {
                *kept = *later;
            }
            same
        });
    }

    fn sessions(&self) -> BTreeMap<SessionId, Duration> {
        let mut touches = self.touches.clone();
        touches.sort_unstable();
        touches.iter().map(|touch| (touch.session, touch.timeout)).collect()
    }
}

/// What there is to tell counts, and neither in which order it came nor what was told before.
impl PartialEq for Touched {
    fn eq(&self, other: &Self) -> bool {
        self.sessions() == other.sessions()
    }
}

impl Eq for Touched {}

impl Hash for Touched {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.sessions().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn touched(sessions: impl IntoIterator<Item = u64>) -> Touched {
        let mut touched = Touched::default();
        sessions.into_iter().for_each(|session| touched.touch(SessionId(session), millis(session)));
        touched
    }

    #[test]
    fn what_is_told_again_and_again_stays_in_its_place() {
        let mut touched = touched([3, 1, 2]);
        let place = |told: Arc<Vec<_>>| (Arc::as_ptr(&told), told.as_ptr());
        let room = touched.touches.as_ptr();
        let first = place(touched.tell());
        for session in 0..100 {
            touched.touch(SessionId(session), millis(9));
            touched.touch(SessionId(session % 7), millis(9));
            assert_eq!(place(touched.tell()), first);
            assert_eq!(touched.touches.as_ptr(), room);
        }
    }

    #[test]
    fn what_the_leader_has_not_read_is_not_written_over() {
        let mut touched = touched([1]);
        let first = touched.tell();
        touched.touch(SessionId(2), millis(2));
        let second = touched.tell();
        assert_eq!(
            (&first[..], &second[..]),
            (&[(SessionId(1), millis(1))][..], &[(SessionId(2), millis(2))][..])
        );
        drop(second);
        assert_eq!(touched.tell()[..], []);
    }

    #[test]
    fn sessions_that_are_heard_of_all_the_time_take_memory_once() {
        let touched = touched((0..100_000).map(|touch| touch % 50));
        assert!(touched.touches.capacity() <= 4 * 50, "{}", touched.touches.capacity());
        assert!(touched == self::touched((0..50).rev()));
    }

    proptest! {
        #[test]
        fn each_session_is_told_of_once_with_the_timeout_it_had_last(
            rounds in prop::collection::vec(prop::collection::vec((0u64..20, 0u64..9), 0..80), 1..5),
        ) {
            let mut touched = Touched::default();
            for round in rounds {
                let mut expected = BTreeMap::new();
                for (session, timeout) in round {
                    touched.touch(SessionId(session), millis(timeout));
                    expected.insert(SessionId(session), millis(timeout));
                }
                prop_assert_eq!(&touched.sessions(), &expected);
                prop_assert_eq!(touched.tell().to_vec(), Vec::from_iter(expected));
            }
        }
    }
}
