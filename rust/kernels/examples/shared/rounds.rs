//! How long a call takes.
use std::time::Instant;

const ROUNDS: usize = 150;
/// About how long a round takes.
const SECONDS: f64 = 0.001;

/// Seconds a call: the median and the best of several rounds.
pub fn seconds(mut call: impl FnMut()) -> (f64, f64) {
    let mut repeats = 1u32;
    let mut times = [0.0; ROUNDS];
    for time in &mut times {
        let start = Instant::now();
        (0..repeats).for_each(|_| call());
        *time = start.elapsed().as_secs_f64() / f64::from(repeats);
        repeats = ((SECONDS / time.max(1e-9)) as u32).max(1);
    }
    times.sort_by(f64::total_cmp);
    (times[ROUNDS / 2], times[0])
}
