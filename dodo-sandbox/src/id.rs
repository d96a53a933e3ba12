//! Ids and secrets: a prefix and random characters, shaped like Dodo's.

use std::cell::RefCell;

use base64::{Engine, engine::general_purpose::STANDARD};

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const LENGTH: usize = 21;

thread_local! {
    /// The generator of the sandbox whose lock this thread holds.
    static SEEDED: RefCell<Option<fastrand::Rng>> = const { RefCell::new(None) };
}

/// Runs `act` with ids from this generator. Two sandboxes with one seed make the same ids.
pub(crate) fn seeded<T>(generator: &mut fastrand::Rng, act: impl FnOnce() -> T) -> T {
    let outer = SEEDED.replace(Some(generator.clone()));
    let result = act();
    if let Some(used) = SEEDED.replace(outer) {
        *generator = used;
    }
    result
}

/// A random seed.
pub(crate) fn seed() -> u64 {
    u64::from_le_bytes(random())
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let seeded = SEEDED.with_borrow_mut(|generator| {
        generator.as_mut().map(|generator| generator.fill(&mut bytes)).is_some()
    });
    if seeded {
        return bytes;
    }
    // The system's generator does not fail after the start. If it fails, ids still differ by the
    // counter.
    if getrandom::fill(&mut bytes).is_err() {
        for (place, byte) in bytes.iter_mut().zip(counter().to_be_bytes()) {
            *place = byte;
        }
    }
    bytes
}

fn counter() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A new id: `prefix` (with its underscore) and 21 letters and digits.
pub(crate) fn new(prefix: &str) -> String {
    let letters = random::<LENGTH>();
    let letter =
        |byte: u8| ALPHABET.get(usize::from(byte) % ALPHABET.len()).map_or('0', |b| char::from(*b));
    prefix.chars().chain(letters.map(letter)).collect()
}

/// A new webhook secret: `whsec_` and 32 random bytes in base64.
pub(crate) fn webhook_secret() -> String {
    format!("whsec_{}", STANDARD.encode(random::<32>()))
}

/// A new license key, shaped like a version 4 UUID.
pub(crate) fn license_key() -> String {
    let hex = random::<16>().map(|byte| format!("{byte:02x}")).concat();
    let part = |from, to| hex.get(from..to).unwrap_or_default();
    let (a, b, c, d, e) = (part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32));
    format!("{a}-{b}-4{c}-8{d}-{e}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_make_equal_ids() {
        let ids = |seed| {
            let mut generator = fastrand::Rng::with_seed(seed);
            let first = seeded(&mut generator, || new("pay_"));
            (first, seeded(&mut generator, || new("pay_")))
        };
        assert_eq!(ids(7), ids(7));
        assert_ne!(ids(7), ids(8));
        assert_ne!(ids(7).0, ids(7).1);
    }

    #[test]
    fn ids_have_their_prefix_and_do_not_repeat() {
        let ids: std::collections::HashSet<_> = (0..1000).map(|_| new("pay_")).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| id.len() == 25 && id.starts_with("pay_")));
        assert_eq!(license_key().len(), 36);
    }
}
