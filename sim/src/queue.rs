//! The queue of everything that is still to happen. The earliest comes first; at the same instant, what was pushed
//! first.

use crate::time::SimTime;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// Events by the time at which they happen and, at the same time, by the order in which they were pushed.
///
/// Most of what a simulation waits for comes in order by itself: timers of one period, each set when the one before
/// went off. Such events stand in lanes, which are joined at the back and left at the front. Which lane an event may
/// join depends on how far ahead it is, so that one that is years away does not close the lane of those that are seconds
/// away. An event that does not come after the last one of its lane is in no lane but in a heap; and so is what comes
/// soon: mostly messages, each with a latency of its own. The order that comes out does not depend on where an event
/// waited.
///
/// The heap holds 16-byte keys; the events lie still in their lanes and in numbered slots, and room is used again, so
/// that a queue that does not grow allocates nothing.
#[derive(Clone, Debug)]
pub struct EventQueue<E> {
    /// Every event that is in no lane.
    heap: BinaryHeap<Reverse<Key>>,
    /// By the number of bits of how far ahead an event was when it was pushed. As many as were needed so far.
    lanes: Vec<VecDeque<(Key, E)>>,
    /// The key of the first event of each lane that is not empty, in no order; there are few.
    firsts: Vec<Key>,
    /// Which of them is the least.
    least: usize,
    slots: Vec<Option<E>>,
    vacant: Vec<u32>,
    /// When the last event that was taken out happened.
    now: SimTime,
    pushed: u64,
    popped: u64,
}

impl<E> EventQueue<E> {
    /// An empty queue, whose first event will have the sequence number 0.
    #[must_use]
    pub const fn new() -> Self {
        EventQueue {
            heap: BinaryHeap::new(),
            lanes: Vec::new(),
            firsts: Vec::new(),
            least: 0,
            slots: Vec::new(),
            vacant: Vec::new(),
            now: SimTime::ZERO,
            pushed: 0,
            popped: 0,
        }
    }

    /// Lets `event` happen at `time`, and returns its sequence number: how many events were pushed before it.
    ///
    /// # Panics
    ///
    /// After 2^40 - 1 events, or when 2^24 are waiting.
    pub fn push(&mut self, time: SimTime, event: E) -> u64 {
        let sequence = self.pushed;
        self.pushed += 1;
        let lane = lane_of(self.now, time);
        if lane < SOON {
            self.push_into_heap(time, sequence, event);
            return sequence;
        }
        if self.lanes.len() <= lane {
            self.lanes.resize_with(lane + 1, VecDeque::new);
        }
        let key = Key::new(time, sequence, lane as u32);
        let lane = &mut self.lanes[lane];
        match lane.back() {
            Some(&(last, _)) if last > key => self.push_into_heap(time, sequence, event),
            last => {
                if last.is_none() {
                    if self.firsts.get(self.least).is_none_or(|least| key < *least) {
                        self.least = self.firsts.len();
                    }
                    self.firsts.push(key);
                }
                lane.push_back((key, event));
            }
        }
        sequence
    }

    /// Takes out the next event, with its time and its sequence number.
    pub fn pop(&mut self) -> Option<(SimTime, u64, E)> {
        self.pop_until(SimTime::FAR_FUTURE)
    }

    /// Takes out the next event if it happens no later than `limit`.
    pub fn pop_until(&mut self, limit: SimTime) -> Option<(SimTime, u64, E)> {
        let in_heap = self.heap.peek().map_or(Key::NEVER, |Reverse(key)| *key);
        let in_lane = self.firsts.get(self.least).copied().unwrap_or(Key::NEVER);
        let key = in_heap.min(in_lane);
        if key.time() > limit || key == Key::NEVER {
            return None;
        }
        self.now = key.time();
        self.popped += 1;
        let event = if in_heap < in_lane {
            self.heap.pop();
            self.vacate(key.place() - LANES as u32)
        } else {
            self.leave_lane(key.place() as usize)
        };
        Some((key.time(), key.sequence(), event))
    }

    /// Takes the first event out of the lane whose first event is the least.
    #[inline]
    fn leave_lane(&mut self, lane: usize) -> E {
        let lane = &mut self.lanes[lane];
        let (_, event) = lane.pop_front().expect("a lane whose first event is known is not empty");
        match lane.front() {
            Some(&(next, _)) => self.firsts[self.least] = next,
            None => {
                self.firsts.swap_remove(self.least);
            }
        }
        let indices = 0..self.firsts.len();
        self.least = indices.min_by_key(|index| self.firsts[*index]).unwrap_or(0);
        event
    }

    /// When the next event happens.
    #[must_use]
    pub fn peek_time(&self) -> Option<SimTime> {
        let in_heap = self.heap.peek().map(|Reverse(key)| *key);
        let first = in_heap.into_iter().chain(self.firsts.iter().copied()).min();
        first.map(Key::time)
    }

    /// How many events are waiting.
    #[must_use]
    pub fn len(&self) -> usize {
        (self.pushed - self.popped) as usize
    }

    /// Whether no event is waiting.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    fn push_into_heap(&mut self, time: SimTime, sequence: u64, event: E) {
        let place = LANES as u32 + self.occupy(event);
        self.heap.push(Reverse(Key::new(time, sequence, place)));
    }

    fn occupy(&mut self, event: E) -> u32 {
        if let Some(slot) = self.vacant.pop() {
            let vacant = &mut self.slots[slot as usize];
            assert!(vacant.is_none(), "a vacant slot holds no event");
            *vacant = Some(event);
            return slot;
        }
        let slot = self.slots.len() as u64;
        assert!(slot < SLOTS_MAX, "at most {SLOTS_MAX} events wait at once");
        self.slots.push(Some(event));
        // All of them may be vacant at once; room for that is made here, where room is made anyway.
        self.vacant.reserve(self.slots.len());
        slot as u32
    }

    fn vacate(&mut self, slot: u32) -> E {
        self.vacant.push(slot);
        self.slots[slot as usize].take().expect("every key in the heap has an event in its slot")
    }
}

impl<E> Default for EventQueue<E> {
    fn default() -> Self {
        EventQueue::new()
    }
}

/// The number of bits of how far ahead `time` is.
fn lane_of(now: SimTime, time: SimTime) -> usize {
    (u64::BITS - time.as_micros().saturating_sub(now.as_micros()).leading_zeros()) as usize
}

/// Distances have no bits to 64.
const LANES: usize = 65;

/// What is fewer bits ahead than this, 65 ms, stands in no lane: nearly all of it comes out of order.
const SOON: usize = 17;

/// How many events may wait in no lane at once: more than a thousand for each of ten thousand nodes. A queue that
/// fills up has stopped making progress.
const SLOTS_MAX: u64 = (1 << PLACE_BITS) - LANES as u64;

/// How many events one simulation may have: hours of computing, far longer than anyone waits for a seed. One number is
/// left over, for [`Key::NEVER`].
const SEQUENCE_MAX: u64 = (1 << SEQUENCE_BITS) - 1;

const PLACE_BITS: u32 = 24;
const SEQUENCE_BITS: u32 = 40;
const _: () = assert!(u64::BITS + SEQUENCE_BITS + PLACE_BITS == u128::BITS);

/// Time, sequence number and place in one number, whose order is that of the events. No two events have the same
/// sequence number, so the place decides nothing. A place is a lane, or behind the lanes a slot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Key(u128);

impl Key {
    /// Behind every event: no event has the last sequence number.
    const NEVER: Key = Key(u128::MAX);

    fn new(time: SimTime, sequence: u64, place: u32) -> Self {
        assert!(sequence < SEQUENCE_MAX, "at most {SEQUENCE_MAX} events happen in one simulation");
        Key(u128::from(time.as_micros()) << 64 | u128::from(sequence) << PLACE_BITS | u128::from(place))
    }

    const fn time(self) -> SimTime {
        SimTime::from_micros((self.0 >> 64) as u64)
    }

    const fn sequence(self) -> u64 {
        self.0 as u64 >> PLACE_BITS
    }

    const fn place(self) -> u32 {
        self.0 as u32 & ((1 << PLACE_BITS) - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn queue(times: &[u64]) -> EventQueue<usize> {
        let mut queue = EventQueue::new();
        for (index, &time) in times.iter().enumerate() {
            assert_eq!(queue.push(SimTime(time), index), index as u64);
        }
        queue
    }

    #[track_caller]
    fn check_order(times: &[u64], expected: &[usize]) {
        let mut queue = queue(times);
        let popped: Vec<usize> = std::iter::from_fn(|| queue.pop().map(|(_, _, event)| event)).collect();
        assert_eq!(popped, expected);
    }

    #[test]
    fn the_earliest_event_comes_first() {
        check_order(&[], &[]);
        check_order(&[30, 10, 20], &[1, 2, 0]);
        check_order(&[u64::MAX, 0, u64::MAX - 1], &[1, 2, 0]);
    }

    #[test]
    fn at_the_same_instant_the_first_pushed_comes_first() {
        check_order(&[5, 5, 5, 4, 5], &[3, 0, 1, 2, 4]);
        check_order(&[u64::MAX; 3], &[0, 1, 2]);
    }

    #[test]
    fn a_key_keeps_its_parts_apart() {
        let place = (1 << PLACE_BITS) - 1;
        let key = Key::new(SimTime::FAR_FUTURE, SEQUENCE_MAX - 1, 0);
        assert_eq!((key.time(), key.sequence(), key.place()), (SimTime::FAR_FUTURE, SEQUENCE_MAX - 1, 0));
        let key = Key::new(SimTime::ZERO, 0, place);
        assert_eq!((key.time(), key.sequence(), key.place()), (SimTime::ZERO, 0, place));
    }

    #[test]
    #[should_panic(expected = "events happen in one simulation")]
    fn sequence_numbers_never_run_into_the_time() {
        Key::new(SimTime::ZERO, SEQUENCE_MAX, 0);
    }

    #[test]
    fn every_distance_has_a_lane() {
        let lane = |now, time| lane_of(SimTime(now), SimTime(time));
        assert_eq!(
            [lane(7, 7), lane(7, 6), lane(7, 8), lane(7, 9), lane(7, 10), lane(7, 11)],
            [0, 0, 1, 2, 2, 3]
        );
        assert_eq!(lane(0, u64::MAX), LANES - 1);
    }

    #[test]
    fn timers_of_one_period_stand_in_a_lane() {
        let mut queue = EventQueue::new();
        (0..100).for_each(|node| {
            queue.push(SimTime(node), node);
        });
        for _ in 0..1000 {
            let (time, _, node) = queue.pop().expect("every timer is set again");
            queue.push(SimTime(time.as_micros() + 5_000_000), node);
        }
        assert_eq!((queue.len(), queue.heap.len(), queue.firsts.len()), (100, 0, 1));
    }

    #[test]
    fn what_is_far_ahead_closes_no_lane_to_what_is_near() {
        let mut queue = queue(&[u64::MAX, 3_600_000_000, 60_000_000]);
        (0..100).for_each(|time| {
            queue.push(SimTime(4_000_000 + time), 0);
        });
        assert_eq!((queue.heap.len(), queue.firsts.len()), (0, 4));
    }

    #[test]
    fn what_comes_after_the_limit_stays() {
        let mut queue = queue(&[10, 20]);
        assert_eq!(queue.pop_until(SimTime(9)), None);
        assert_eq!(queue.pop_until(SimTime(10)), Some((SimTime(10), 0, 0)));
        assert_eq!(queue.pop_until(SimTime(19)), None);
        queue.push(SimTime(15), 2);
        assert_eq!(queue.pop_until(SimTime(19)), Some((SimTime(15), 2, 2)));
        assert_eq!((queue.pop_until(SimTime(19)), queue.len()), (None, 1));
    }

    #[test]
    fn what_stands_in_a_lane_after_the_limit_stays() {
        let mut queue = queue(&[100_000, 200_000, 100_001]);
        assert_eq!((queue.heap.len(), queue.firsts.len()), (0, 2));
        assert_eq!(queue.pop_until(SimTime(99_999)), None);
        assert_eq!(queue.pop_until(SimTime(100_000)), Some((SimTime(100_000), 0, 0)));
        assert_eq!(queue.pop_until(SimTime(100_000)), None);
        assert_eq!(queue.pop_until(SimTime(200_000)), Some((SimTime(100_001), 2, 2)));
        assert_eq!((queue.pop_until(SimTime(199_999)), queue.len()), (None, 1));
        assert_eq!(queue.pop_until(SimTime(200_000)), Some((SimTime(200_000), 1, 1)));
        assert_eq!((queue.pop(), queue.firsts.len()), (None, 0));
    }

    #[test]
    fn a_queue_that_does_not_grow_allocates_nothing() {
        let capacities = |queue: &EventQueue<usize>| {
            let lanes = queue.lanes.iter().map(VecDeque::capacity).collect::<Vec<_>>();
            let (heap, firsts) = (queue.heap.capacity(), queue.firsts.capacity());
            (heap, firsts, queue.slots.capacity(), queue.vacant.capacity(), lanes)
        };
        let mut queue = queue(&[0; 100]);
        let mut turn_over = |events: u64| {
            for _ in 0..events {
                let (time, sequence, event) = queue.pop().expect("the queue holds 100 events");
                // Every third waits for one period; the others come as they like.
                let ahead = if event % 3 == 0 { 5_000_000 } else { sequence * 7919 % 1_000_000 };
                queue.push(SimTime(time.as_micros() + ahead), event);
            }
            assert!(!queue.heap.is_empty() && queue.firsts.len() > 1, "both are used");
            capacities(&queue)
        };
        assert_eq!(turn_over(50_000), turn_over(50_000));
    }

    #[test]
    fn a_new_queue_takes_no_memory() {
        let queue = EventQueue::<usize>::new();
        assert_eq!((queue.heap.capacity(), queue.slots.capacity()), (0, 0));
        assert_eq!((queue.lanes.capacity(), queue.firsts.capacity()), (0, 0));
    }

    #[test]
    fn a_popped_event_is_gone_and_its_room_is_used_again() {
        let event = std::rc::Rc::new(());
        let mut queue = EventQueue::new();
        for times in [[1, 1], [7, 5]] {
            queue.push(SimTime(times[0]), event.clone());
            queue.push(SimTime(times[1]), event.clone());
            assert_eq!(std::rc::Rc::strong_count(&event), 3);
            drop((queue.pop(), queue.pop()));
            assert_eq!((std::rc::Rc::strong_count(&event), queue.len()), (1, 0));
        }
        assert_eq!(queue.slots.len(), 2);
    }

    /// How far from the last event that was taken out the next one is put.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        Ahead(u64),
        Behind(u64),
        At(u64),
        Pop,
        PopUntil(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let near_a_power =
            (0_u32..64, 0_u64..3).prop_map(|(bits, by)| ((1_u64 << bits) - 1).saturating_add(by));
        prop_oneof![
            4 => (0_u64..8).prop_map(Step::Ahead),
            2 => Just(Step::Ahead(5_000_000)),
            2 => near_a_power.prop_map(Step::Ahead),
            2 => (1_000_u64..50_000).prop_map(Step::Ahead),
            1 => (1_u64..100).prop_map(Step::Behind),
            1 => prop_oneof![0_u64..8, Just(u64::MAX), Just(u64::MAX - 1), any::<u64>()].prop_map(Step::At),
            8 => Just(Step::Pop),
            1 => (0_u64..10_000).prop_map(Step::PopUntil),
        ]
    }

    proptest! {
        /// The model is a list that is searched for its least element at every pop.
        #[test]
        fn behaves_like_a_sorted_list(steps in prop::collection::vec(step(), 0..300)) {
            let mut queue = EventQueue::new();
            let mut model: Vec<(SimTime, u64, usize)> = Vec::new();
            let mut now = 0_u64;
            for (event, step) in steps.into_iter().enumerate() {
                let (time, limit) = match step {
                    Step::Ahead(by) => (Some(now.saturating_add(by)), 0),
                    Step::Behind(by) => (Some(now.saturating_sub(by)), 0),
                    Step::At(time) => (Some(time), 0),
                    Step::Pop => (None, u64::MAX),
                    Step::PopUntil(by) => (None, now.saturating_add(by)),
                };
                match time.map(SimTime) {
                    Some(time) => {
                        let sequence = queue.push(time, event);
                        model.push((time, sequence, event));
                        model.sort();
                    }
                    None => {
                        let due = model.first().is_some_and(|&(time, ..)| time <= SimTime(limit));
                        let expected = due.then(|| model.remove(0));
                        now = expected.map_or(now, |(time, ..)| time.as_micros());
                        prop_assert_eq!(queue.pop_until(SimTime(limit)), expected);
                    }
                }
                prop_assert_eq!(queue.len(), model.len());
                prop_assert_eq!(queue.is_empty(), model.is_empty());
                prop_assert_eq!(queue.peek_time(), model.first().map(|&(time, ..)| time));
            }
            while let Some(popped) = queue.pop() {
                prop_assert_eq!(popped, model.remove(0));
            }
            prop_assert!(model.is_empty());
        }
    }
}
