//! How fast GEMM is, as a fraction of what this machine can do: `cargo run --release --example gemm [f64|bf16] [m n k]...`.
//!
//! The peak is measured beside each shape, by a loop of multiply-adds on registers alone. The extension's memory lies in huge
//! pages; `GLIBC_TUNABLES=glibc.malloc.hugetlb=1` does the same for this program's, which tells from 1024 on.
#[path = "shared/clock.rs"]
mod clock;
#[path = "shared/multiply_adds.rs"]
mod multiply_adds;

use clock::now;
use multiply_adds::MultiplyAdds;
use retrograd_kernels::gemm::{Activation, Batch, Gemm, GemmElem, gemm, workspace};
use retrograd_kernels::pool;
use retrograd_kernels::simd::{self, Float};
use std::time::Instant;

/// Multiply-adds a nanosecond.
fn peak<T: GemmElem>() -> f64 {
    let began = now(1);
    let half = std::hint::black_box(T::Compute::from_f64(0.5));
    let work = if !T::IS_COMPUTE && simd::has_fast_dot(simd::level()) {
        // SAFETY: just asked.
        unsafe { simd::dispatch_dot(MultiplyAdds::<_, true>(half)) }
    } else {
        simd::dispatch(MultiplyAdds::<_, false>(half))
    };
    // A multiply-add is two operations.
    work / 2.0 / (now(1) - began)
}

struct Shape {
    m: usize,
    n: usize,
    k: usize,
    /// Whether `a` and `b` lie transposed.
    ta: bool,
    tb: bool,
}

/// The best speed, and the best peak measured in between; multiply-adds a nanosecond.
fn measure<T: GemmElem>(s: &Shape, threads: usize) -> (f64, f64) {
    let &Shape { m, n, k, ta, tb } = s;
    let noise = |i: usize| T::narrow(T::Compute::from_f64((i as f64 * 0.618).fract() - 0.5));
    let a: Vec<T> = (0..m * k).map(noise).collect();
    let b: Vec<T> = (0..k * n).map(noise).collect();
    let mut c = vec![noise(0); m * n];
    let mut scratch = vec![0u8; workspace::<T>(m, n, k, false)];
    let strides = |rows: usize, columns: usize, transposed| {
        if transposed { (1, rows as isize) } else { (columns as isize, 1) }
    };
    let ((a_rs, a_cs), (b_rs, b_cs)) = (strides(m, k, ta), strides(k, n, tb));
    let problem = Gemm {
        m,
        n,
        k,
        a: a.as_ptr(),
        a_rs,
        a_cs,
        b: b.as_ptr(),
        b_rs,
        b_cs,
        c: c.as_mut_ptr(),
        c_rs: n as isize,
        c_cs: 1,
        alpha: T::Compute::from_f64(1.0),
        beta: T::Compute::default(),
        bias: None,
        activation: Activation::None,
        gate: None,
    };
    pool::set_num_threads(threads);
    let work = (m * n * k) as f64;
    let repeats = (2e6 / work).clamp(1.0, 10_000.0) as usize;
    let (mut best, mut best_peak) = (0f64, 0f64);
    let began = Instant::now();
    while began.elapsed().as_millis() < 400 {
        best_peak = best_peak.max(peak::<T>());
        let began = now(threads);
        for _ in 0..repeats {
            // SAFETY: the buffers are as large as said.
            unsafe { gemm(&problem, Batch::default(), scratch.as_mut_ptr()) };
        }
        best = best.max(work * repeats as f64 / (now(threads) - began));
    }
    (best, best_peak)
}

fn report<T: GemmElem>(name: &str, shapes: &[(usize, usize, usize)]) {
    println!("{name} at {}: fraction of the peak of one core, on 1 and 2 threads", simd::level());
    println!(
        "{:>6} {:>6} {:>6}   {:^13} {:^13} {:^13} {:^13}  GFLOP/s",
        "m", "n", "k", "a b", "a bT", "aT b", "aT bT"
    );
    for &(m, n, k) in shapes {
        print!("{m:>6} {n:>6} {k:>6} ");
        let mut speed = 0.0;
        for (ta, tb) in [(false, false), (false, true), (true, false), (true, true)] {
            let shape = Shape { m, n, k, ta, tb };
            let (one, peak) = measure::<T>(&shape, 1);
            let (two, _) = measure::<T>(&shape, 2);
            print!("  {:>5.3} {:>5.3} ", one / peak, two / peak);
            speed = f64::max(speed, 2.0 * one);
        }
        println!("  {speed:.1}");
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let dtype = args.first().filter(|arg| arg.parse::<usize>().is_err()).cloned();
    let numbers: Vec<usize> = args.iter().filter_map(|arg| arg.parse().ok()).collect();
    let mut shapes: Vec<_> = numbers.chunks_exact(3).map(|s| (s[0], s[1], s[2])).collect();
    if shapes.is_empty() {
        shapes = [16, 32, 64, 128, 256, 512, 1024, 2048].map(|n| (n, n, n)).to_vec();
    }
    match dtype.as_deref() {
        Some("f64") => report::<f64>("f64", &shapes),
        Some("bf16") => report::<half::bf16>("bf16", &shapes),
        _ => report::<f32>("f32", &shapes),
    }
}
