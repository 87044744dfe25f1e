//! The password of a session; who tracks sessions is the server's business.

use crate::types::{Password, SessionId};

/// The password of a session, a function of its id alone, so that all servers agree on it: the first bytes that Java's
/// generator gives when it is seeded with the id and a constant, as ZooKeeper does.
pub(crate) fn password_of(id: SessionId) -> Password {
    const MULTIPLIER: u64 = 0x5_DEEC_E66D;
    const MASK: u64 = (1 << 48) - 1;
    const SECRET: u64 = 0xB341_5C00;
    let mut state = (id.0 ^ SECRET ^ MULTIPLIER) & MASK;
    let mut bytes = [0; 16];
    for chunk in bytes.chunks_exact_mut(4) {
        state = state.wrapping_mul(MULTIPLIER).wrapping_add(0xB) & MASK;
        let next = u32::try_from(state >> 16).expect("32 of 48 bits are left");
        chunk.copy_from_slice(&next.to_le_bytes());
    }
    Password(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_differ() {
        assert_ne!(password_of(SessionId(1)), password_of(SessionId(2)));
    }

    #[test]
    fn a_password_is_the_one_a_real_server_gives() {
        let given =
            [0xa1, 0x28, 0xa0, 0xf9, 0x1a, 0x24, 0xb3, 0x0c, 0xe7, 0x86, 0xae, 0xd6, 0xf3, 0x42, 0x19, 0x7a];
        assert_eq!(password_of(SessionId(0x0100_00d9_ed15_0000)), Password(given));
    }
}
