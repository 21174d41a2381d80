//! How long softmax, cross entropy, layer normalisation and random draws take an element.
#[path = "shared/rounds.rs"]
mod rounds;

use retrograd_kernels::norm::{Gradients, Matrix, Statistics, layer_norm, layer_norm_backward, workspace};
use retrograd_kernels::operand::{In, Out};
use retrograd_kernels::philox::{dropout, normal, uniform};
use retrograd_kernels::softmax::{Rows, cross_entropy, cross_entropy_backward, softmax};
use rounds::seconds;

fn report(name: &str, n: usize, (_, t): (f64, f64)) {
    println!("{name}: {:.1} ns, {:.2} ns an element", t * 1e9, t * 1e9 / n as f64);
}

fn main() {
    for (rows, columns) in [(1, 4), (128, 10), (64, 1000), (8, 50_000)] {
        let n = rows * columns;
        let x: Vec<f32> = (0..n).map(|i| (i % 100) as f32 * 0.1).collect();
        let target = vec![1i64; rows];
        let (mut y, mut loss, mut lse) = (vec![0f32; n], vec![0f32; rows], vec![0f32; rows]);
        let (s, x, t) = ([columns as isize, 1], x.as_ptr(), target.as_ptr());
        let (shape, steps) = (Rows { count: [1, rows], columns }, [0, s[0], s[1]]);
        let g = 1f32;
        // SAFETY: the buffers have the sizes said.
        unsafe {
            report(
                &format!("softmax {rows}x{columns}"),
                n,
                seconds(|| softmax(shape, x, steps, y.as_mut_ptr(), steps)),
            );
            let time = seconds(|| {
                let _ = cross_entropy(rows, columns, x, s, t, 1, -100, loss.as_mut_ptr(), lse.as_mut_ptr());
            });
            report(&format!("cross entropy {rows}x{columns}"), n, time);
            let (lse, out) = (lse.as_ptr(), y.as_mut_ptr());
            let time =
                seconds(|| cross_entropy_backward(rows, columns, x, s, t, 1, -100, lse, &g, 0, 1.0, out, s));
            report(&format!("its backward {rows}x{columns}"), n, time);
        }
    }
    for (rows, columns) in [(1, 64), (128, 64), (4096, 768), (8, 50_000)] {
        let n = rows * columns;
        let x: Vec<f32> = (0..n).map(|i| (i % 100) as f32 * 0.1).collect();
        let (mut y, mut kept, w) = (vec![0f32; n], vec![1f32; 2 * rows], vec![0.5f32; columns]);
        let (mut dw, mut db) = (w.clone(), w.clone());
        let mut scratch = vec![0u64; workspace::<f32>(rows, columns).div_ceil(8)];
        let x = Matrix { rows, columns, ptr: x.as_ptr(), strides: [columns as isize, 1] };
        let (mean, rstd) = kept.split_at_mut(rows);
        let kept = Statistics { mean: mean.as_mut_ptr(), rstd: rstd.as_mut_ptr() };
        let out = Gradients { input: y.as_mut_ptr(), weight: dw.as_mut_ptr(), bias: db.as_mut_ptr() };
        // SAFETY: the buffers have the sizes said.
        unsafe {
            let time = seconds(|| layer_norm(x, w.as_ptr(), w.as_ptr(), 1e-5, out.input, kept));
            report(&format!("layer norm {rows}x{columns}"), n, time);
            let time =
                seconds(|| layer_norm_backward(x, x, kept, w.as_ptr(), out, scratch.as_mut_ptr().cast()));
            report(&format!("its backward {rows}x{columns}"), n, time);
        }
    }
    for n in [64, 1 << 16, 1 << 20] {
        let mut y = vec![0f32; n];
        // SAFETY: n elements.
        unsafe {
            report(&format!("uniform {n}"), n, seconds(|| uniform(1, 2, 0.0, 1.0, n, y.as_mut_ptr())));
            report(&format!("normal {n}"), n, seconds(|| normal(1, 2, 0.0, 1.0, n, y.as_mut_ptr())));
            let x = In { ptr: y.as_ptr(), strides: &[1] };
            let out = Out { ptr: y.as_mut_ptr(), strides: &[1] };
            report(&format!("dropout {n}"), n, seconds(|| dropout(1, 2, 0.5, &[n], x, out)));
        }
    }
}
