//! What the tests of several kernels share.
use crate::pool::set_num_threads;
use crate::simd::{available, with_level};

/// Every level, each with so many threads.
pub(crate) fn everywhere(threads: &[usize], check: impl Fn()) {
    for level in available() {
        for &threads in threads {
            set_num_threads(threads);
            with_level(level, &check);
        }
    }
    set_num_threads(0);
}
