//! How fast an optimizer steps: nanoseconds a step and gigabytes a second, on one thread and on two.
#[path = "shared/rounds.rs"]
mod rounds;

use retrograd_kernels::optim::{AdamHyper, AdamParam, adam};
use retrograd_kernels::pool;
use rounds::seconds;

const HYPER: AdamHyper = AdamHyper {
    lr: 1e-3,
    beta1: 0.9,
    beta2: 0.999,
    eps: 1e-8,
    weight_decay: 0.0,
    decoupled: false,
    maximize: false,
};

fn main() {
    // As in a small network, and more than the caches hold.
    for n in [16_000usize, 235_000, 3_200_000] {
        let noise =
            |seed: usize| (0..n).map(move |i| ((i * seed) as f32 * 12.9898).sin()).collect::<Vec<f32>>();
        let (mut param, grad, mut mean, mut square) = (noise(3), noise(7), vec![0f32; n], vec![0f32; n]);
        let mut step = 0f32;
        for threads in [1, 2] {
            pool::set_num_threads(threads);
            let (median, best) = seconds(|| {
                let param = AdamParam {
                    n,
                    param: param.as_mut_ptr(),
                    grad: grad.as_ptr(),
                    mean: mean.as_mut_ptr(),
                    square: square.as_mut_ptr(),
                    step: &mut step,
                };
                // SAFETY: all have n elements, and none overlap.
                unsafe { adam(&[param], &HYPER) }
            });
            // Four streams are read, three of them written.
            let rate = 28e-9 * n as f64 / median;
            println!(
                "adam {n}, {threads} threads: {:.1} us (best {:.1}), {rate:.1} GB/s",
                median * 1e6,
                best * 1e6
            );
        }
    }
}
