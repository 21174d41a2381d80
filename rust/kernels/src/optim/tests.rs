use super::*;
use crate::simd::{Level, available, with_level};

const SIZES: &[usize] = &[1, 0, 7, 16, 33, 1000, 40_001];

/// Something between -1 and 1.
fn noise(i: usize) -> f64 {
    ((i as f64 + 1.0) * 12.9898).sin()
}

/// Parameter, gradient, two states.
type State<T> = [Vec<T>; 4];

fn state<T: Float>(n: usize) -> State<T> {
    std::array::from_fn(|k| (0..n).map(|i| T::from_f64(if k < 2 { noise(i * 4 + k) } else { 0.0 })).collect())
}

/// What torch's single-tensor functions compute, in `f64`.
fn sgd_formula(h: &SgdHyper, step: u64, [p, g, b, _]: [f64; 4]) -> [f64; 4] {
    let d = if h.maximize { -g } else { g } + h.weight_decay * p;
    if h.momentum == 0.0 {
        return [p - h.lr * d, g, b, 0.0];
    }
    let b = if step == 0 { d } else { h.momentum * b + (1.0 - h.dampening) * d };
    let d = if h.nesterov { d + h.momentum * b } else { b };
    [p - h.lr * d, g, b, 0.0]
}

fn adam_formula(h: &AdamHyper, step: u64, [p, g, m, v]: [f64; 4]) -> [f64; 4] {
    let step = step as i32 + 1;
    let mut d = if h.maximize { -g } else { g };
    let mut p = p;
    if h.decoupled {
        p *= 1.0 - h.lr * h.weight_decay;
    } else {
        d += h.weight_decay * p;
    }
    let m = h.beta1 * m + (1.0 - h.beta1) * d;
    let v = h.beta2 * v + (1.0 - h.beta2) * d * d;
    let denominator = v.sqrt() / (1.0 - h.beta2.powi(step)).sqrt() + h.eps;
    [p - h.lr / (1.0 - h.beta1.powi(step)) * m / denominator, g, m, v]
}

/// Runs three steps of a kernel and of its formula side by side; the final parameters of the kernel.
fn compare<T: Float>(
    kernel: impl Fn(&mut [State<T>], &mut [f32]),
    formula: impl Fn(u64, [f64; 4]) -> [f64; 4],
    tolerance: f64,
) -> Vec<T> {
    let mut states: Vec<State<T>> = SIZES.iter().map(|&n| state(n)).collect();
    let mut exact: Vec<State<f64>> =
        states.iter().map(|s| s.each_ref().map(|x| x.iter().map(|v| v.to_f64()).collect())).collect();
    let mut steps = vec![0f32; SIZES.len()];
    for step in 0..3u64 {
        kernel(&mut states, &mut steps);
        assert!(steps.iter().all(|&s| s == step as f32 + 1.0));
        for (got, want) in states.iter().zip(&mut exact) {
            for i in 0..want[0].len() {
                let now = formula(step, std::array::from_fn(|k| want[k][i]));
                for k in 0..4 {
                    want[k][i] = now[k];
                    let error = (got[k][i].to_f64() - now[k]).abs();
                    assert!(error <= tolerance * (1.0 + now[k].abs()), "state {k}[{i}] off by {error}");
                }
            }
        }
    }
    states.into_iter().flat_map(|[p, ..]| p).collect()
}

fn run_sgd<T: Float>(states: &mut [State<T>], steps: &mut [f32], hyper: &SgdHyper) {
    let params: Vec<_> = states
        .iter_mut()
        .zip(steps)
        .map(|([p, g, b, _], step)| SgdParam {
            n: p.len(),
            param: p.as_mut_ptr(),
            grad: g.as_ptr(),
            buffer: if hyper.momentum == 0.0 { std::ptr::null_mut() } else { b.as_mut_ptr() },
            step,
        })
        .collect();
    // SAFETY: the vectors are distinct and as long as said.
    unsafe { sgd(&params, hyper) };
}

fn run_adam<T: Float>(states: &mut [State<T>], steps: &mut [f32], hyper: &AdamHyper) {
    let params: Vec<_> = states
        .iter_mut()
        .zip(steps)
        .map(|([p, g, m, v], step)| AdamParam {
            n: p.len(),
            param: p.as_mut_ptr(),
            grad: g.as_ptr(),
            mean: m.as_mut_ptr(),
            square: v.as_mut_ptr(),
            step,
        })
        .collect();
    // SAFETY: the vectors are distinct and as long as said.
    unsafe { adam(&params, hyper) };
}

/// Every level on one and three threads agrees with the formula, and, portable apart, with the others in every bit.
fn everywhere<T: Float>(run: impl Fn() -> Vec<T>) {
    let mut first: Option<Vec<T>> = None;
    for level in available() {
        for threads in [1, 3] {
            pool::set_num_threads(threads);
            let result = with_level(level, &run);
            if level != Level::Portable {
                assert!(
                    *first.get_or_insert_with(|| result.clone()) == result,
                    "{level} on {threads} differs"
                );
            }
        }
    }
}

const SGD: SgdHyper =
    SgdHyper { lr: 0.1, momentum: 0.0, dampening: 0.0, weight_decay: 0.0, nesterov: false, maximize: false };
const ADAM: AdamHyper = AdamHyper {
    lr: 1e-2,
    beta1: 0.9,
    beta2: 0.999,
    eps: 1e-8,
    weight_decay: 0.0,
    decoupled: false,
    maximize: false,
};

#[test]
fn sgd_follows_its_formula() {
    let cases = [
        SGD,
        SgdHyper { weight_decay: 0.01, maximize: true, ..SGD },
        SgdHyper { momentum: 0.9, dampening: 0.3, ..SGD },
        SgdHyper { momentum: 0.9, nesterov: true, weight_decay: 0.1, ..SGD },
    ];
    for h in cases {
        everywhere(|| compare::<f32>(|s, n| run_sgd(s, n, &h), |n, x| sgd_formula(&h, n, x), 1e-6));
        everywhere(|| compare::<f64>(|s, n| run_sgd(s, n, &h), |n, x| sgd_formula(&h, n, x), 1e-14));
    }
}

#[test]
fn adam_follows_its_formula() {
    let cases = [
        ADAM,
        AdamHyper { weight_decay: 0.1, decoupled: true, ..ADAM },
        AdamHyper { weight_decay: 0.1, maximize: true, beta1: 0.3, ..ADAM },
    ];
    for h in cases {
        everywhere(|| compare::<f32>(|s, n| run_adam(s, n, &h), |n, x| adam_formula(&h, n, x), 2e-5));
        everywhere(|| compare::<f64>(|s, n| run_adam(s, n, &h), |n, x| adam_formula(&h, n, x), 1e-12));
    }
}

/// What one gradient leaves after many steps without any: the largest buffer or mean, and the smallest square.
fn decayed<T: Float>(run: impl Fn(&mut [State<T>], &mut [f32])) -> [f64; 2] {
    let (mut states, mut steps) = ([state::<T>(33)], [0f32]);
    run(&mut states, &mut steps);
    states[0][1].fill(T::default());
    (1..9008).for_each(|_| run(&mut states, &mut steps));
    let [_, _, mean, square] = &states[0];
    [
        mean.iter().map(|x| x.to_f64().abs()).fold(0.0, f64::max),
        square.iter().map(|x| x.to_f64()).fold(1.0, f64::min),
    ]
}

#[test]
fn state_that_decays_ends_at_zero() {
    let sgd = SgdHyper { momentum: 0.9, ..SGD };
    let adam = AdamHyper { beta2: 0.9, ..ADAM };
    assert_eq!(decayed::<f32>(|s, n| run_sgd(s, n, &sgd))[0], 0.0);
    assert_eq!(decayed::<f64>(|s, n| run_sgd(s, n, &sgd))[0], 0.0);
    assert_eq!(decayed::<f32>(|s, n| run_adam(s, n, &adam)), [0.0, 0.0]);
    assert_eq!(decayed::<f64>(|s, n| run_adam(s, n, &adam)), [0.0, 0.0]);
    // Nothing is added to a square's root: it must not vanish before the mean does.
    let [mean, square] = decayed::<f32>(|s, n| run_adam(s, n, &AdamHyper { eps: 0.0, ..adam }));
    assert_eq!(mean, 0.0);
    assert!(square > 0.0);
}

#[test]
fn views_of_the_same_memory_are_stepped_in_order() {
    let n = 100_000;
    everywhere(|| {
        let (mut base, grad) = (vec![1f32; n], (0..n).map(|i| noise(i) as f32).collect::<Vec<_>>());
        let (param, mut steps) = (base.as_mut_ptr(), [0f32; 2]);
        let params: [_; 2] = std::array::from_fn(|i| SgdParam {
            n: n - 1000,
            param: param.wrapping_add(1000 * i),
            grad: grad.as_ptr(),
            buffer: std::ptr::null_mut(),
            step: &raw mut steps[i],
        });
        // SAFETY: both lie within the base.
        unsafe { sgd(&params, &SgdHyper { weight_decay: 0.5, ..SGD }) };
        base
    });
}

#[test]
fn powers_by_squaring() {
    for n in [0, 1, 2, 3, 10, 1000, 123_456] {
        let (got, want) = (power(0.999, n), 0.999f64.powi(n as i32));
        assert!((got - want).abs() <= 1e-10 * want, "{n}");
    }
}
