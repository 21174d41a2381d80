//! Loops split over the pool.
use super::{cut, num_threads, run};
use std::ops::Range;

/// Tasks a thread: enough that one who comes late finds less to do, few enough to cost nothing.
const TASKS_A_THREAD: usize = 4;

/// Calls `body` with ranges that together cover `0..total`, in parallel where there are at least two of `grain`.
///
/// `body` must give the same result however the range is cut.
pub fn chunks(total: usize, grain: usize, body: impl Fn(Range<usize>) + Sync) {
    let grain = grain.max(1);
    let threads = num_threads();
    if total < 2 * grain || threads < 2 {
        if total > 0 {
            body(0..total);
        }
        return;
    }
    let tasks = (total / grain).min(threads * TASKS_A_THREAD);
    run(tasks, &|i| body(cut(total, tasks, i)..cut(total, tasks, i + 1)));
}
