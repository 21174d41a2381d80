//! The thread pool. A region is a number of tasks and one closure; the caller takes part, and whoever is
//! free claims the next task from a counter, so a result may never depend on who ran what. Each thread begins with a
//! stretch of tasks of its own and then helps the others: so it mostly meets the data it left in its cache the last time, which
//! counts where two cores share none.
//!
//! One region is open at a time. A caller who finds the pool busy (another thread's region, or its own
//! when regions nest) runs its tasks by itself: it waits for nobody, so nothing can deadlock, and two
//! threads that train at once share the cores without a queue between them.
mod chunks;
mod fork;
mod size;
mod team;

pub use chunks::chunks;
pub use fork::forks;
pub use size::{MAX_THREADS, num_threads, set_num_threads};

/// Runs `task(0)` to `task(tasks - 1)`, on this thread and on idle workers, and returns when all are done.
///
/// A panic in a task is raised again here, whichever thread it came from; the tasks not begun by then are
/// dropped, and the pool stays usable.
pub fn run(tasks: usize, task: &(dyn Fn(usize) + Sync)) {
    let threads = num_threads().min(tasks);
    if threads <= 1 || !team::current().run(tasks, threads - 1, task) {
        (0..tasks).for_each(task);
    }
}

/// Where part `i` of `parts` of a total begins; none is longer than another by more than one.
#[inline]
pub fn cut(total: usize, parts: usize, i: usize) -> usize {
    total / parts * i + i.min(total % parts)
}

/// How many tasks workers (not callers) have run so far in this process: proof that others took part.
pub fn stats() -> u64 {
    team::tasks_by_workers()
}
