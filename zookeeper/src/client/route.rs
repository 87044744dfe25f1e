//! Which server is tried next, and after what pause; connections are left to the client.
//!
//! Without choices the servers are tried by number and the pauses are constant. With them it is as in Java: the servers
//! are shuffled once for each handle, that is for each session that is opened, and tried round and round.

use alloc::vec::Vec;
use core::time::Duration;

/// The pause before the next server is tried after an attempt has failed, when nothing is left to chance.
pub const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// The pause before the one server is tried again after an attached connection or a session was lost, when nothing is
/// left to chance. With several servers the next is tried at once.
pub const PAUSE_AFTER_LOSS: Duration = Duration::from_millis(100);

/// The pause before Java tries the server again that it was last attached to: all others were tried in between.
const PAUSE_AFTER_ROUND: Duration = Duration::from_secs(1);

/// What Java draws before each attempt is below this number of milliseconds.
const DRAWN_PAUSE_MS: u64 = 1000;

/// Where a client stands in its round of the servers.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Route {
    servers: u32,
    choices: u64,
    /// Counts the sessions that were lost.
    handle: u64,
    /// Counts the attempts.
    attempts: u64,
    /// The place in the order that is tried next.
    next: u32,
    /// The place in the order after which a round ends: of the first attempt, then of the last that was attached.
    round_ends_at: Option<u32>,
    /// Whether any attempt for this handle has come as far as an open connection.
    was_open: bool,
}

impl Route {
    pub(super) fn new(servers: u32, choices: u64) -> Self {
        let servers = servers.max(1);
        Route { servers, choices, handle: 0, attempts: 0, next: 0, round_ends_at: None, was_open: false }
    }

    /// The server to try now.
    pub(super) fn advance(&mut self) -> u32 {
        let place = self.next;
        self.next = (place + 1) % self.servers;
        self.attempts = self.attempts.wrapping_add(1);
        self.round_ends_at.get_or_insert(place);
        if self.choices == 0 { place } else { self.order()[place as usize] }
    }

    /// The connection is open.
    pub(super) fn opened(&mut self) {
        self.was_open = true;
    }

    /// The server tried last has attached the session.
    pub(super) fn attached(&mut self) {
        self.round_ends_at = Some((self.next + self.servers - 1) % self.servers);
    }

    /// The session is lost; a new one is sought. Without choices the round goes on where it was.
    pub(super) fn lost(&mut self) {
        if self.choices != 0 {
            let handle = self.handle.wrapping_add(1);
            let attempts = self.attempts;
            *self = Route { handle, attempts, ..Route::new(self.servers, self.choices) };
        }
    }

    /// How long to wait before the next attempt, after one has failed.
    pub(super) fn pause_after_failure(&self) -> Duration {
        if self.choices == 0 { PAUSE_AFTER_FAILURE } else { self.javas_pause() }
    }

    /// How long to wait before the next attempt, after what was attached is lost.
    pub(super) fn pause_after_loss(&self) -> Duration {
        match (self.choices, self.servers) {
            (0, 1) => PAUSE_AFTER_LOSS,
            (0, _) => Duration::ZERO,
            (_, _) => self.javas_pause(),
        }
    }

    fn javas_pause(&self) -> Duration {
        let round = if self.round_ends_at == Some(self.next) { PAUSE_AFTER_ROUND } else { Duration::ZERO };
        let drawn =
            if self.was_open { mixed(self.choices ^ mixed(self.attempts)) % DRAWN_PAUSE_MS } else { 0 };
        round + Duration::from_millis(drawn)
    }

    /// The servers in the order of this handle.
    fn order(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.servers).collect();
        let mut state = self.choices ^ mixed(!self.handle);
        for place in (1..order.len()).rev() {
            state = mixed(state);
            order.swap(place, (state % (place as u64 + 1)) as usize);
        }
        order
    }
}

/// Spreads a number over all 64 bits: one step of SplitMix64.
fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    fn round(route: &mut Route) -> Vec<u32> {
        (0..route.servers).map(|_| route.advance()).collect()
    }

    #[test]
    fn without_choices_the_servers_come_by_number() {
        let mut route = Route::new(3, 0);
        assert_eq!(round(&mut route), [0, 1, 2]);
        route.lost();
        assert_eq!(round(&mut route), [0, 1, 2]);
        route.advance();
        route.lost();
        assert_eq!(round(&mut route), [1, 2, 0]);
    }

    #[test]
    fn every_order_of_three_servers_is_chosen_and_kept_until_the_session_is_lost() {
        let mut orders = BTreeSet::new();
        for choices in 1..200 {
            let mut route = Route::new(3, choices);
            let order = round(&mut route);
            assert_eq!(BTreeSet::from_iter(order.iter().copied()), BTreeSet::from([0, 1, 2]));
            assert_eq!(round(&mut route), order);
            orders.insert(order);
        }
        assert_eq!(orders.len(), 6);
        let mut route = Route::new(7, 1);
        let order = round(&mut route);
        route.lost();
        assert_ne!(round(&mut route), order);
    }

    #[test]
    fn java_hurries_through_its_first_round_then_waits_a_second() {
        let mut route = Route::new(2, 5);
        route.advance();
        assert_eq!(route.pause_after_failure(), Duration::ZERO);
        route.advance();
        assert_eq!(route.pause_after_failure(), Duration::from_secs(1));
    }

    #[test]
    fn java_draws_a_pause_below_a_second_and_adds_one_where_it_was_last_attached() {
        let mut route = Route::new(2, 5);
        route.advance();
        route.opened();
        route.attached();
        let pause = route.pause_after_loss();
        assert!(pause > Duration::ZERO && pause < Duration::from_secs(1), "{pause:?}");
        route.advance();
        let pause = route.pause_after_failure();
        assert!(pause > Duration::from_secs(1) && pause < Duration::from_secs(2), "{pause:?}");
        route.lost();
        assert_eq!(route.pause_after_loss(), Duration::ZERO);
        let drawn: BTreeSet<Duration> =
            (1..300).map(|choices| Route { choices, ..drawn_from() }.javas_pause()).collect();
        assert!(drawn.len() > 200, "{drawn:?}");
    }

    fn drawn_from() -> Route {
        let mut route = Route::new(3, 1);
        route.advance();
        route.opened();
        route
    }
}
