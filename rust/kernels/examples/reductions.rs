//! How fast reductions read: gigabytes a second along rows and across them.
#[path = "shared/rounds.rs"]
mod rounds;

use retrograd_kernels::operand::Out;
use retrograd_kernels::reduce::{ArgMax, Max, Reduction, Sum, arg_reduce, reduce, workspace};
use rounds::seconds;

fn run<R: Reduction>(name: &str, r: R, rows: usize, columns: usize, axis: usize) {
    let x: Vec<f32> = (0..rows * columns).map(|i| (i % 1000) as f32 * 0.01).collect();
    let strides = [columns as isize, 1];
    let shape = [rows, columns];
    let (kept, gone) = (1 - axis, axis);
    let mut y = vec![0f32; shape[kept]];
    let (outer, inner) = ([shape[kept]], [shape[gone]]);
    let mut scratch = vec![0u8; workspace::<f32>(&outer, &inner)];
    let (_, t) = seconds(|| {
        // SAFETY: the buffers have the sizes said.
        unsafe {
            let out = Out { ptr: y.as_mut_ptr(), strides: &[1] };
            let (a, b) = ([strides[kept]], [strides[gone]]);
            reduce(r, &outer, &inner, x.as_ptr(), &a, &b, out, scratch.as_mut_ptr());
        }
    });
    println!(
        "{name} {rows}x{columns} axis {axis}: {:.1} ns, {:.1} GB/s",
        t * 1e9,
        (x.len() * 4) as f64 / t * 1e-9
    );
}

fn main() {
    for (rows, columns) in [(1, 4), (1, 4096), (1, 1 << 20), (1, 1 << 23)] {
        run("sum", Sum, rows, columns, 1);
        run("max", Max, rows, columns, 1);
    }
    for (rows, columns) in [(64, 256), (1024, 1024), (100_000, 8), (2048, 4096)] {
        for axis in [0, 1] {
            run("sum", Sum, rows, columns, axis);
        }
    }
    let x = vec![1f32; 1 << 20];
    let mut y = vec![0i64; 1024];
    let (_, t) = seconds(|| {
        // SAFETY: 1024 outputs; the rows are short enough to need no scratch.
        unsafe {
            let out = Out { ptr: y.as_mut_ptr(), strides: &[1] };
            arg_reduce(ArgMax, &[1024], &[1024], x.as_ptr(), &[1024], &[1], out, std::ptr::null_mut());
        }
    });
    println!("argmax 1024x1024 axis 1: {:.1} ns, {:.1} GB/s", t * 1e9, (x.len() * 4) as f64 / t * 1e-9);
}
