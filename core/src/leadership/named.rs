//! NiFi's answer to "do I lead?": yes if the first znode in line carries this node's name, as it was read last, and for
//! as long as that answer is trusted. Whose session made the znode is not asked.

use super::first_in_line;
use crate::coordination::{CoordinationError, Operation, Outcome, child};
use crate::rules::Rules;
use crate::status::Epoch;
use crate::time::Instant;
use alloc::sync::Arc;
use core::time::Duration;

/// Which of its operations ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Step {
    List,
    Read,
}

/// What is to be asked: at most one thing at a time.
pub(crate) type Wish = Option<(Step, Operation)>;

/// One role's answer, and how old it is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Named {
    /// The parent of the candidates' znodes.
    path: Arc<str>,
    participant: Arc<str>,
    trusted_for: Duration,
    /// Only who takes part in the election can lead.
    participates: bool,
    /// The term of the first znode, if it carries this node's name.
    answer: Option<Epoch>,
    /// When that was found out; `None`: not since this node takes part.
    since: Option<Instant>,
    /// When it was asked for again, while that is not answered.
    asked_at: Option<Instant>,
}

impl Named {
    pub(crate) fn new(path: Arc<str>, participant: Arc<str>, rules: &Rules) -> Self {
        let trusted_for = rules.leadership_cache;
        let (participates, answer, since, asked_at) = (false, None, None, None);
        Named { path, participant, trusted_for, participates, answer, since, asked_at }
    }

    /// The term in which this node leads, as far as it knows.
    pub(crate) fn leads(&self) -> Option<Epoch> {
        self.answer
    }

    /// Whether the role may be exercised at `at`: the answer is young enough, or was when it was asked for again. Who was
    /// held up, and asks too late, waits for the new answer.
    pub(crate) fn lets_act(&self, at: Instant) -> bool {
        self.asked_at.unwrap_or(at) <= self.trusted_until()
    }

    fn trusted_until(&self) -> Instant {
        self.since.map_or(Instant::ZERO, |since| since + self.trusted_for)
    }

    /// When to ask again; `None` while an answer is awaited, or not needed.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        (self.participates && self.asked_at.is_none()).then(|| self.trusted_until())
    }

    /// Takes part in the election from now on, or no longer.
    pub(crate) fn participate(&mut self, participates: bool) {
        if self.participates != participates {
            (self.participates, self.answer, self.since, self.asked_at) = (participates, None, None, None);
        }
    }

    /// The recipe says that this node is first: no need to ask.
    pub(crate) fn elected(&mut self, now: Instant, epoch: Epoch) {
        self.answered(now, Some(epoch));
    }

    /// The connection is suspended, or the session over. That is an answer too, and trusted like any other.
    pub(crate) fn interrupted(&mut self, now: Instant) {
        self.answered(now, None);
    }

    /// Asks, if the answer is too old. Who cannot ask does not lead.
    pub(crate) fn wake(&mut self, now: Instant, online: bool) -> Wish {
        if self.next_deadline().is_none_or(|at| at > now) {
            return None;
        }
        if !online {
            self.answered(now, None);
            return None;
        }
        self.asked_at = Some(now);
        Some(self.list())
    }

    pub(crate) fn completed(
        &mut self,
        now: Instant,
        step: Step,
        result: Result<Outcome, CoordinationError>,
    ) -> Wish {
        self.asked_at?;
        match (step, result) {
            (Step::List, Ok(Outcome::Children { children })) => {
                let Some(first) = first_in_line(&children) else {
                    self.answered(now, None);
                    return None;
                };
                Some((Step::Read, Operation::GetData { path: child(&self.path, first), watch: false }))
            }
            (Step::Read, Ok(Outcome::Data { data, czxid })) => {
                self.answered(now, (data == self.participant).then_some(Epoch(czxid)));
                None
            }
            // The first one has just gone.
            (Step::Read, Err(CoordinationError::NoNode)) => Some(self.list()),
            (Step::List | Step::Read, Ok(_) | Err(_)) => {
                self.answered(now, None);
                None
            }
        }
    }

    fn list(&self) -> (Step, Operation) {
        (Step::List, Operation::GetChildren { path: self.path.clone(), watch: false })
    }

    fn answered(&mut self, now: Instant, answer: Option<Epoch>) {
        (self.answer, self.since, self.asked_at) = (answer.filter(|_| self.participates), Some(now), None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordination::Names;
    use crate::rules::LEADERSHIP_CACHE;
    use alloc::vec::Vec;

    const START: Instant = Instant::from_micros(1_000_000);

    fn participant() -> Named {
        let mut named = Named::new("/l".into(), "n1:1".into(), &Rules::default());
        named.participate(true);
        named
    }

    /// A participant that was told at `START` who is first, and under which czxid.
    fn told(first: &str, czxid: u64) -> Named {
        let mut named = participant();
        assert!(matches!(named.wake(START, true), Some((Step::List, _))), "it asks at once");
        let children: Vec<Arc<str>> =
            Vec::from(["_c_b-lock-0000000007".into(), "_c_a-lock-0000000003".into()]);
        let read = named.completed(START, Step::List, Ok(Outcome::Children { children: children.into() }));
        let path = "/l/_c_a-lock-0000000003".into();
        assert_eq!(read, Some((Step::Read, Operation::GetData { path, watch: false })));
        assert_eq!(named.completed(START, Step::Read, Ok(Outcome::Data { data: first.into(), czxid })), None);
        named
    }

    #[test]
    fn who_is_named_first_leads_whoever_made_that_znode() {
        assert_eq!(told("n1:1", 30).leads(), Some(Epoch(30)));
        assert_eq!(told("n2:1", 30).leads(), None);
    }

    #[test]
    fn an_answer_is_trusted_for_five_seconds_and_then_asked_for_again() {
        let mut named = told("n1:1", 30);
        let (end, later) = (START + LEADERSHIP_CACHE, START + LEADERSHIP_CACHE * 2);
        assert_eq!(named.next_deadline(), Some(end));
        assert_eq!(named.wake(end - Duration::from_micros(1), true), None);
        assert!(named.lets_act(end) && !named.lets_act(end + Duration::from_micros(1)));
        assert!(matches!(named.wake(end, true), Some((Step::List, _))));
        assert_eq!(
            (named.next_deadline(), named.leads()),
            (None, Some(Epoch(30))),
            "it waits for the answer"
        );
        assert!(named.lets_act(later), "and acts on the old one, since it asked in time");
    }

    #[test]
    fn who_was_held_up_does_nothing_before_it_has_the_new_answer() {
        let mut named = told("n1:1", 30);
        let late = START + LEADERSHIP_CACHE * 2;
        assert!(matches!(named.wake(late, true), Some((Step::List, _))));
        assert!(!named.lets_act(late) && !named.lets_act(START), "whatever was due in the meantime");
        assert!(
            named.completed(late, Step::List, Ok(Outcome::Children { children: Names::default() })).is_none()
        );
        assert_eq!(named.leads(), None);
    }

    #[test]
    fn who_hears_of_a_broken_connection_does_not_lead_until_it_asks_again() {
        let mut named = told("n1:1", 30);
        let later = START + Duration::from_secs(1);
        named.interrupted(later);
        assert_eq!(named.leads(), None);
        assert_eq!(
            named.wake(START + LEADERSHIP_CACHE, true),
            None,
            "that it does not lead is trusted as long"
        );
        assert!(matches!(named.wake(later + LEADERSHIP_CACHE, true), Some((Step::List, _))));
    }

    #[test]
    fn without_a_connection_or_with_an_error_nobody_leads() {
        let mut named = told("n1:1", 30);
        assert_eq!(named.wake(START + LEADERSHIP_CACHE, false), None);
        assert_eq!(named.leads(), None);
        let mut named = told("n1:1", 30);
        named.wake(START + LEADERSHIP_CACHE, true);
        let lost = Err(CoordinationError::ConnectionLoss);
        assert_eq!(named.completed(START + LEADERSHIP_CACHE, Step::List, lost), None);
        assert_eq!(named.leads(), None);
    }

    #[test]
    fn who_does_not_take_part_does_not_lead_and_does_not_ask() {
        let mut named = told("n1:1", 30);
        named.participate(false);
        assert_eq!((named.leads(), named.next_deadline()), (None, None));
        named.elected(START, Epoch(30));
        assert_eq!(named.leads(), None);
    }
}
