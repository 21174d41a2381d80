//! What this machine can do at most: `cargo run --release --example peak`, then lines such as `f32 1` on its input.
//!
//! A line names a limit and a number of threads; the answer is one number. Benchmarks keep the program running and ask
//! between their own measurements, since clocks drift.
//! `f32`, `f64`: GFLOP/s of multiply-adds on registers alone; `bf16`: of the machine's dot products of pairs where it has
//! fast ones, else of `f32`. `triad`: GB/s of `a = b + s*c` with stores around the
//! caches. `read`: GB/s of a sum.
#[path = "shared/clock.rs"]
mod clock;
#[path = "shared/multiply_adds.rs"]
mod multiply_adds;

use clock::now;
use multiply_adds::MultiplyAdds;
use retrograd_kernels::simd::{self, FloatVec, Kernel, Simd};
use std::hint::black_box;
use std::io::{BufRead, Write};
use std::sync::LazyLock;
use std::time::Instant;

/// How long to look for the best of several passes.
const SECONDS: f64 = 0.01;
/// Floats in an array of the memory tests: far more than caches hold.
const FLOATS: usize = 1 << 25;

/// `a = b + 3c`.
struct Triad<'a>(&'a mut [f32], &'a [f32], &'a [f32]);

impl Kernel for Triad<'_> {
    /// How many bytes went through.
    type Output = f64;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f64 {
        let Self(a, b, c) = self;
        let (lanes, factor) = (S::F32::LANES, S::F32::splat(simd, 3.0));
        let skip = a.as_ptr().align_offset(64);
        for i in (skip..a.len() - lanes).step_by(lanes) {
            // SAFETY: the vector ends within the arrays, which are equally long; streams are aligned.
            unsafe {
                let (b, c) = (S::F32::load(simd, b.as_ptr().add(i)), S::F32::load(simd, c.as_ptr().add(i)));
                factor.mul_add(c, b).stream(a.as_mut_ptr().add(i));
            }
        }
        simd::stream_fence();
        size_of_val(a) as f64 * 3.0
    }
}

/// The sum of an array.
struct Read<'a>(&'a [f32]);

impl Kernel for Read<'_> {
    /// How many bytes were read.
    type Output = f64;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f64 {
        const CHAINS: usize = 8;
        let mut sums = [S::F32::zero(simd); CHAINS];
        for block in self.0.chunks_exact(CHAINS * S::F32::LANES) {
            for (i, sum) in sums.iter_mut().enumerate() {
                // SAFETY: within the block.
                *sum = *sum + unsafe { S::F32::load(simd, block.as_ptr().add(i * S::F32::LANES)) };
            }
        }
        let mut lanes = [0.0; simd::MAX_LANES];
        // SAFETY: the array holds the widest vector.
        unsafe { sums.into_iter().reduce(|a, b| a + b).unwrap().store(lanes.as_mut_ptr()) };
        black_box(lanes);
        size_of_val(self.0) as f64
    }
}

/// The most that passes over the parts of some work do in a nanosecond, each part on its own thread.
fn best<P: Send>(parts: Vec<P>, pass: impl Fn(&mut P) -> f64 + Sync) -> f64 {
    let threads = parts.len();
    let barrier = std::sync::Barrier::new(threads);
    std::thread::scope(|scope| {
        let workers: Vec<_> = parts
            .into_iter()
            .map(|mut part| {
                let (barrier, pass) = (&barrier, &pass);
                scope.spawn(move || {
                    barrier.wait();
                    let (began, mut best) = (Instant::now(), 0f64);
                    while began.elapsed().as_secs_f64() < SECONDS {
                        let start = now(threads);
                        let work = pass(&mut part);
                        best = best.max(work / (now(threads) - start));
                    }
                    best
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().expect("a pass does not panic")).sum()
    })
}

/// The three arrays of the memory tests, touched.
static ARRAYS: LazyLock<std::sync::Mutex<[Vec<f32>; 3]>> =
    LazyLock::new(|| std::sync::Mutex::new([vec![1.0; FLOATS], vec![2.0; FLOATS], vec![3.0; FLOATS]]));

fn measure(what: &str, threads: usize) -> Option<f64> {
    let part = FLOATS.div_ceil(threads);
    match what {
        "f32" => {
            Some(best(vec![(); threads], |()| simd::dispatch(MultiplyAdds::<_, false>(black_box(0.5f32)))))
        }
        "f64" => {
            Some(best(vec![(); threads], |()| simd::dispatch(MultiplyAdds::<_, false>(black_box(0.5f64)))))
        }
        "bf16" if simd::has_fast_dot(simd::level()) => Some(best(vec![(); threads], |()| {
            // SAFETY: just asked.
            unsafe { simd::dispatch_dot(MultiplyAdds::<_, true>(black_box(0.5f32))) }
        })),
        "bf16" => measure("f32", threads),
        "triad" => {
            let [a, b, c] = &mut *ARRAYS.lock().ok()?;
            let parts = a.chunks_mut(part).zip(b.chunks(part)).zip(c.chunks(part)).collect();
            Some(best(parts, |((a, b), c)| simd::dispatch(Triad(a, b, c))))
        }
        "read" => {
            let arrays = ARRAYS.lock().ok()?;
            Some(best(arrays[0].chunks(part).collect(), |part| simd::dispatch(Read(part))))
        }
        _ => None,
    }
}

fn main() -> std::io::Result<()> {
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let mut words = line.split_whitespace();
        let what = words.next().unwrap_or_default();
        let threads = words.next().map_or(1, |n| n.parse().unwrap_or(1)).max(1);
        match measure(what, threads) {
            Some(value) => println!("{value}"),
            None => println!("unknown: say f32, f64, bf16, triad or read, and a number of threads"),
        }
        std::io::stdout().flush()?;
    }
    Ok(())
}
