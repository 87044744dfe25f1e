//! Orders that ZooKeeper leaves open, each settled by a number.

use alloc::sync::Arc;

/// Brings sorted names into the order that `order` stands for: their own with 0, else one that has no pattern and
/// depends on nothing but the number and the names.
pub(crate) fn arrange(order: u64, names: &mut [Arc<str>]) {
    if order != 0 {
        names.sort_by_cached_key(|name| mixed(order, name));
    }
}

/// The number mixed with a name. 0 stays 0.
pub(crate) fn mixed(order: u64, name: &str) -> u64 {
    if order == 0 {
        return 0;
    }
    // FNV-1a, and then the finish of SplitMix64, without which names of one length keep their order.
    let hash = name.bytes().fold(order, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}
