//! How many threads a region may use.
use std::sync::atomic::{AtomicUsize, Ordering};

/// The largest number of threads that can be asked for.
pub const MAX_THREADS: usize = 1024;

/// Zero until it is first asked for.
static THREADS: AtomicUsize = AtomicUsize::new(0);

/// The number of threads a region uses, the caller included.
///
/// At first that is `RETROGRAD_NUM_THREADS`, else `OMP_NUM_THREADS`, else what affinity and the cgroup's quota allow.
#[inline]
pub fn num_threads() -> usize {
    match THREADS.load(Ordering::Relaxed) {
        0 => first_size(),
        n => n,
    }
}

/// Sets the number of threads, the caller included; it may exceed the number of cores.
/// Zero goes back to the size the pool starts with.
pub fn set_num_threads(n: usize) {
    THREADS.store(n.min(MAX_THREADS), Ordering::Relaxed);
}

/// The cores this process may use.
pub(super) fn cores() -> usize {
    static CORES: AtomicUsize = AtomicUsize::new(0);
    let mut cores = CORES.load(Ordering::Relaxed);
    if cores == 0 {
        cores = std::thread::available_parallelism().map_or(1, |n| n.get());
        CORES.store(cores, Ordering::Relaxed);
    }
    cores
}

#[cold]
fn first_size() -> usize {
    let from_env = |name| std::env::var(name).ok().and_then(|text| parse(&text));
    let n = from_env("RETROGRAD_NUM_THREADS").or_else(|| from_env("OMP_NUM_THREADS")).unwrap_or_else(cores);
    let n = n.min(MAX_THREADS);
    // Someone may have set a size meanwhile: theirs counts.
    match THREADS.compare_exchange(0, n, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => n,
        Err(set) => set,
    }
}

/// A positive number; OpenMP's list of one size a nesting level counts by its first.
fn parse(text: &str) -> Option<usize> {
    text.split(',').next()?.trim().parse().ok().filter(|&n| n > 0)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn sizes_are_read_as_openmp_reads_them() {
        let cases = [
            ("4", Some(4)),
            (" 2 ", Some(2)),
            ("8,4", Some(8)),
            ("0", None),
            ("", None),
            ("-1", None),
            ("two", None),
        ];
        for (text, size) in cases {
            assert_eq!(parse(text), size, "{text:?}");
        }
    }
}
