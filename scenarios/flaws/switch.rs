//! Which flaw is planted. Only in the copy of this crate that `scenarios/tests/flaws.rs` makes.
#![allow(missing_docs, reason = "for the runner alone")]

use core::sync::atomic::{AtomicU64, Ordering};

/// The number of the flaw that is planted; [`number`] of the empty name: none.
static PLANTED: AtomicU64 = AtomicU64::new(number(""));

/// The FNV-1a hash of a name.
const fn number(name: &str) -> u64 {
    let (bytes, mut hash, mut at) = (name.as_bytes(), 0xcbf2_9ce4_8422_2325_u64, 0);
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0100_0000_01b3);
        at += 1;
    }
    hash
}

pub fn plant(name: &str) {
    PLANTED.store(number(name), Ordering::Relaxed);
}

pub fn is(name: &str) -> bool {
    PLANTED.load(Ordering::Relaxed) == number(name)
}

pub fn is_planted() -> bool {
    !is("")
}
