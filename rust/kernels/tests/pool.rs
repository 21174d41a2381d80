//! The thread pool: who works, what happens to panics, nesting, several callers, a changed size.
use retrograd_kernels::pool;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The size is one for the whole process, so the tests take turns.
fn with_threads(n: usize) -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    let guard = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    pool::set_num_threads(n);
    guard
}

fn each_task_once(tasks: usize) {
    let counts: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
    pool::run(tasks, &|i| {
        counts[i].fetch_add(1, Ordering::Relaxed);
    });
    let wrong: Vec<_> = counts.iter().enumerate().filter(|(_, n)| n.load(Ordering::Relaxed) != 1).collect();
    assert!(wrong.is_empty(), "of {tasks} tasks: {wrong:?}");
}

const ROUNDS: usize = if cfg!(miri) { 5 } else { 2000 };

#[test]
fn each_task_runs_once_at_any_size() {
    for threads in [1, 2, 3, 8, 2, 1, 4] {
        let _turn = with_threads(threads);
        for round in 0..ROUNDS {
            each_task_once(round % 37);
        }
    }
}

#[test]
fn workers_take_part() {
    let _turn = with_threads(2);
    let before = pool::stats();
    let waiting = AtomicUsize::new(0);
    // Two tasks that wait for each other end only when two threads run them.
    pool::run(2, &|_| {
        waiting.fetch_add(1, Ordering::SeqCst);
        while waiting.load(Ordering::SeqCst) < 2 {
            std::thread::yield_now();
        }
    });
    assert_eq!(pool::stats() - before, 1);
}

#[test]
fn each_thread_begins_with_its_own_stretch() {
    let _turn = with_threads(2);
    let caller = std::thread::current().id();
    for _ in 0..ROUNDS.min(100) {
        let (first, begun) = (AtomicUsize::new(usize::MAX), AtomicUsize::new(0));
        pool::run(8, &|i| {
            if std::thread::current().id() == caller {
                // Until a worker has begun, its stretch is left to it.
                while begun.load(Ordering::SeqCst) == 0 {
                    std::thread::yield_now();
                }
            } else if begun.swap(1, Ordering::SeqCst) == 0 {
                first.store(i, Ordering::SeqCst);
            }
        });
        assert_eq!(first.load(Ordering::SeqCst), 4);
    }
}

#[test]
fn workers_wake_from_sleep() {
    let _turn = with_threads(3);
    for _ in 0..5 {
        each_task_once(8);
        std::thread::sleep(Duration::from_millis(3));
    }
}

#[test]
fn a_panic_reaches_the_caller_and_the_pool_lives() {
    for threads in [1, 2, 3] {
        let _turn = with_threads(threads);
        for culprit in 0..6 {
            let outcome = catch_unwind(|| {
                pool::run(6, &|i| {
                    std::thread::sleep(Duration::from_micros(50));
                    if i == culprit {
                        std::panic::panic_any(i);
                    }
                });
            });
            let payload = outcome.expect_err("the panic was lost");
            assert_eq!(payload.downcast_ref::<usize>(), Some(&culprit));
            each_task_once(20);
        }
    }
}

#[test]
fn a_nested_region_runs_where_it_is() {
    let _turn = with_threads(3);
    for _ in 0..ROUNDS / 5 {
        let sum = AtomicUsize::new(0);
        pool::run(4, &|i| {
            let me = std::thread::current().id();
            pool::run(5, &|j| {
                assert_eq!(std::thread::current().id(), me);
                sum.fetch_add(i * 5 + j, Ordering::Relaxed);
            });
        });
        assert_eq!(sum.load(Ordering::Relaxed), 190);
    }
}

#[test]
fn a_nested_panic_reaches_the_outer_caller() {
    let _turn = with_threads(2);
    let outcome = catch_unwind(|| pool::run(3, &|_| pool::run(3, &|j| assert!(j != 1, "planted"))));
    assert!(outcome.is_err());
    each_task_once(9);
}

#[test]
fn several_callers_at_once() {
    let _turn = with_threads(3);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..ROUNDS).for_each(|round| each_task_once(round % 11)));
        }
    });
}

#[test]
fn the_size_may_change_while_others_run() {
    let _turn = with_threads(2);
    std::thread::scope(|scope| {
        scope.spawn(|| (0..ROUNDS).for_each(|round| each_task_once(round % 11)));
        (0..ROUNDS).for_each(|round| pool::set_num_threads(1 + round % 4));
    });
}

#[test]
fn workers_have_names() {
    let _turn = with_threads(2);
    let names = Mutex::new(Vec::new());
    pool::run(2, &|_| {
        names.lock().unwrap().push(std::thread::current().name().map(str::to_owned));
        while names.lock().unwrap().len() < 2 {
            std::thread::yield_now();
        }
    });
    let names = names.into_inner().unwrap();
    assert!(names.iter().flatten().any(|name| name.starts_with("retrograd-")), "{names:?}");
}

#[test]
fn long_tasks_elsewhere_are_waited_for() {
    let _turn = with_threads(2);
    let done = AtomicUsize::new(0);
    pool::run(2, &|i| {
        std::thread::sleep(Duration::from_millis(if i == 0 { 1 } else { 15 }));
        done.fetch_add(1, Ordering::Relaxed);
    });
    assert_eq!(done.load(Ordering::Relaxed), 2);
}

#[cfg(all(target_os = "linux", not(miri)))]
#[test]
fn idle_workers_burn_nothing() {
    let _turn = with_threads(3);
    each_task_once(8);
    std::thread::sleep(Duration::from_millis(5));
    let began = (Instant::now(), cpu_time());
    std::thread::sleep(Duration::from_millis(200));
    let (wall, cpu) = (began.0.elapsed(), cpu_time() - began.1);
    assert!(cpu < wall / 10, "{cpu:?} of processor time in {wall:?}");
}

/// User and system time of this process so far.
#[cfg(all(target_os = "linux", not(miri)))]
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // Fields 14 and 15, counted from after the name in parentheses, in ticks of 10 ms.
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(10 * ticks)
}

#[cfg(all(unix, not(miri)))]
mod forked {
    use super::*;
    use std::ffi::c_int;

    unsafe extern "C" {
        fn fork() -> c_int;
        fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
        fn alarm(seconds: u32) -> u32;
        fn _exit(code: c_int) -> !;
    }

    /// Forks; the child must be able to use several threads. An alarm ends one that hangs.
    fn child_works() -> bool {
        // SAFETY: the child runs only what the pool promises to work there, and leaves by `_exit`.
        unsafe {
            let pid = fork();
            assert!(pid >= 0, "fork failed");
            if pid == 0 {
                alarm(20);
                let outcome = catch_unwind(|| {
                    let before = pool::stats();
                    let waiting = AtomicUsize::new(0);
                    pool::run(2, &|_| {
                        waiting.fetch_add(1, Ordering::SeqCst);
                        while waiting.load(Ordering::SeqCst) < 2 {
                            std::thread::yield_now();
                        }
                    });
                    each_task_once(50);
                    assert!(pool::stats() > before);
                });
                _exit(c_int::from(outcome.is_err()));
            }
            let mut status = -1;
            assert_eq!(waitpid(pid, &mut status, 0), pid);
            status == 0
        }
    }

    #[test]
    fn a_child_makes_its_own_workers() {
        let _turn = with_threads(2);
        each_task_once(10);
        assert!(child_works());
        each_task_once(10);
    }

    #[test]
    fn a_child_works_when_another_thread_was_inside() {
        let _turn = with_threads(2);
        let inside = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                pool::run(2, &|_| {
                    inside.fetch_add(1, Ordering::SeqCst);
                    while inside.load(Ordering::SeqCst) < 100 {
                        std::thread::sleep(Duration::from_micros(100));
                    }
                });
            });
            while inside.load(Ordering::SeqCst) < 2 {
                std::thread::yield_now();
            }
            let outcome = catch_unwind(AssertUnwindSafe(|| (0..5).all(|_| child_works())));
            inside.store(100, Ordering::SeqCst);
            assert!(outcome.expect("a child could not be made"));
        });
    }
}

#[cfg(not(miri))]
#[test]
fn a_hot_region_is_cheap() {
    if std::thread::available_parallelism().map_or(1, |n| n.get()) < 2 {
        return;
    }
    let _turn = with_threads(2);
    // Both tasks wait for each other, so that a worker takes part in every region.
    let region = || {
        let arrived = AtomicUsize::new(0);
        pool::run(2, &|_| {
            arrived.fetch_add(1, Ordering::AcqRel);
            while arrived.load(Ordering::Acquire) < 2 {
                std::hint::spin_loop();
            }
        });
    };
    // The best of many batches: a loaded machine only makes some of them slow.
    let best = (0..200)
        .map(|_| {
            let began = Instant::now();
            (0..100).for_each(|_| region());
            began.elapsed() / 100
        })
        .min()
        .unwrap();
    println!("a hot region of two tasks: {best:?}");
    assert!(best < Duration::from_micros(5), "{best:?}");
}
