//! What a parallel region costs beyond its work: `cargo run --release --example pool [threads]` prints a name and a median
//! time in nanoseconds a line.
//!
//! `hot`: one region right after another, an empty task a thread. `asleep`: a region whose workers sleep. `wait`: a region
//! whose tasks wait for one another, so that its workers must really come; `awakened`: the same whose workers sleep.
//! `handover`: what a cache line takes from one core to another, which tells whether they are near each other.
use retrograd_kernels::pool;
use std::hint::spin_loop;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// Regions timed together where they are hot: a clock costs as much as a region.
const BATCH: u32 = 100;
/// Long enough for workers to fall asleep.
const NAP: Duration = Duration::from_millis(2);

/// Times two threads hand a line to each other and back.
const HANDOVERS: u32 = 200;

/// How long to measure each: on a busy machine workers come late.
const SECONDS: f64 = 0.3;

/// The median of many measurements, in nanoseconds.
fn median(mut measure: impl FnMut() -> Duration) -> u128 {
    let began = Instant::now();
    let mut times = vec![measure().as_nanos()];
    while began.elapsed().as_secs_f64() < SECONDS {
        times.push(measure().as_nanos());
    }
    times.sort_unstable();
    times[times.len() / 2]
}

/// The time of a region.
fn time(region: impl Fn()) -> Duration {
    let began = Instant::now();
    region();
    began.elapsed()
}

/// The mean time of one of many regions.
fn time_hot(region: impl Fn()) -> Duration {
    time(|| (0..BATCH).for_each(|_| region())) / BATCH
}

/// The time of a region after a nap.
fn time_after_nap(region: impl Fn()) -> Duration {
    std::thread::sleep(NAP);
    time(region)
}

fn main() {
    let threads = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(2);
    pool::set_num_threads(threads);
    let empty = || pool::run(threads, &|_| {});
    let meeting = || {
        let here = AtomicUsize::new(0);
        pool::run(threads, &|_| {
            here.fetch_add(1, SeqCst);
            while here.load(SeqCst) < threads {
                spin_loop();
            }
        });
    };
    let handing_over = || {
        let turn = AtomicUsize::new(0);
        pool::run(2, &|player| {
            for round in 0..HANDOVERS as usize {
                while turn.load(SeqCst) != 2 * round + player {
                    spin_loop();
                }
                turn.fetch_add(1, SeqCst);
            }
        });
    };
    println!("hot {}", median(|| time_hot(empty)));
    println!("wait {}", median(|| time_hot(meeting)));
    println!("asleep {}", median(|| time_after_nap(empty)));
    println!("awakened {}", median(|| time_after_nap(meeting)));
    if threads > 1 {
        println!("handover {}", median(|| time(handing_over) / (2 * HANDOVERS)));
    }
}
