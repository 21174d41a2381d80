//! How long elementwise kernels take: small calls in nanoseconds, large ones in gigabytes a second.
#[path = "shared/rounds.rs"]
mod rounds;

use retrograd_kernels::formula::{
    Add, Exp, Gelu, GeluGrad, GeluTanh, GeluTanhGrad, Log, Mul, Sigmoid, Silu, SiluGrad, Tanh,
};
use retrograd_kernels::map::{Formula, float};
use retrograd_kernels::operand::{In, Out};
use rounds::seconds;
use std::hint::black_box;

/// Operands lie in a shuffled order between the bounds.
fn run<F: Formula<N>, const N: usize>(name: &str, f: F, [low, high]: [f32; 2]) {
    print!("{name:14}");
    for n in [4usize, 64, 4096, 100_000, 1 << 20, 10_000_000] {
        let place = |i: usize| (i * 619 % 1000) as f32 * 1e-3;
        let x: [Vec<f32>; N] =
            std::array::from_fn(|_| (0..n).map(|i| low + (high - low) * place(i)).collect());
        let mut y = vec![0f32; n];
        let (_, t) = seconds(|| {
            let x = x.each_ref().map(|x| In { ptr: x.as_ptr(), strides: &[1] });
            // SAFETY: all have n elements.
            unsafe { float(f, black_box(&[n]), x, Out { ptr: y.as_mut_ptr(), strides: &[1] }) };
        });
        let bytes = ((N + 1) * n * 4) as f64;
        print!("  {n}: {:.1} ns {:.1} GB/s {:.2} ns/el", t * 1e9, bytes / t * 1e-9, t * 1e9 / n as f64);
    }
    println!();
}

fn main() {
    let (positive, normal) = ([0.1, 10.0], [-4.0, 4.0]);
    run("add", Add, positive);
    run("mul", Mul, positive);
    run("exp", Exp, positive);
    run("log", Log, positive);
    run("tanh", Tanh, normal);
    run("sigmoid", Sigmoid, normal);
    run("silu", Silu, normal);
    run("silu grad", SiluGrad, normal);
    run("gelu", Gelu, normal);
    run("gelu grad", GeluGrad, normal);
    run("gelu tanh", GeluTanh, normal);
    run("gelu tanh grad", GeluTanhGrad, normal);
    // Where vectors with arguments far to the left take a second way.
    run("gelu, wide", Gelu, [-10.0, 10.0]);
}
