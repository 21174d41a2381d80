//! What this machine's caches hold. It decides how work is cut, never what comes of it.
use std::sync::atomic::{AtomicUsize, Ordering};

/// Taken where the system does not say.
const LEVEL_TWO: usize = 1 << 20;

/// Bytes of the second cache of a core.
#[inline]
pub(crate) fn level_two() -> usize {
    /// Zero until it is first asked for. No lock: a child of `fork` would wait for a thread that it does not have.
    static BYTES: AtomicUsize = AtomicUsize::new(0);
    match BYTES.load(Ordering::Relaxed) {
        0 => {
            let bytes = first_level_two();
            BYTES.store(bytes, Ordering::Relaxed);
            bytes
        }
        bytes => bytes,
    }
}

#[cold]
fn first_level_two() -> usize {
    let said = if cfg!(miri) { None } else { (0..8).find_map(ask) };
    // What is shared by many, or said by mistake, is not taken at its word.
    said.map_or(LEVEL_TWO, |bytes| bytes.clamp(256 << 10, 4 << 20))
}

/// The size of that cache of the first processor, if it is the second for data. Only Linux has such files.
fn ask(index: usize) -> Option<usize> {
    let read = |what: &str| {
        let text = std::fs::read_to_string(format!("/sys/devices/system/cpu/cpu0/cache/index{index}/{what}"));
        text.ok().map(|text| text.trim().to_owned())
    };
    let is_it = read("level")? == "2" && read("type")? != "Instruction";
    is_it.then(|| bytes(&read("size")?))?
}

/// `1024K` or `2M` in bytes.
fn bytes(size: &str) -> Option<usize> {
    let digits = size.trim_end_matches(char::is_alphabetic);
    let shift = match &size[digits.len()..] {
        "" => 0,
        "K" => 10,
        "M" => 20,
        _ => return None,
    };
    digits.parse::<usize>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_the_system_writes_them() {
        assert_eq!(["1024K", "2M", "65536", "", "K", "3G", "-1K"].map(bytes), {
            [Some(1 << 20), Some(2 << 20), Some(1 << 16), None, None, None, None]
        });
        assert!((256 << 10..=4 << 20).contains(&level_two()));
    }
}
