//! Philox-4x32-10, one counter at a time; to be vectorised.
use crate::elem::Elem;
use crate::operand::{In, Out};
use crate::simd::FloatElem;

/// Four random words of a counter. Salmon et al. (2011).
fn block(seed: u64, counter: u64) -> [u32; 4] {
    let mut c = [counter as u32, (counter >> 32) as u32, 0, 0];
    let mut k = [seed as u32, (seed >> 32) as u32];
    for _ in 0..10 {
        let a = u64::from(c[0]) * 0xD251_1F53;
        let b = u64::from(c[2]) * 0xCD9E_8D57;
        c = [(b >> 32) as u32 ^ c[1] ^ k[0], b as u32, (a >> 32) as u32 ^ c[3] ^ k[1], a as u32];
        k = [k[0].wrapping_add(0x9E37_79B9), k[1].wrapping_add(0xBB67_AE85)];
    }
    c
}

/// How far a draw of `n` elements moves the counter.
pub fn counters_used(n: usize) -> u64 {
    n as u64
}

/// A number from 0 to below 1.
fn unit(seed: u64, counter: u64) -> (f64, f64) {
    let w = block(seed, counter);
    let f = |hi: u32, lo: u32| ((u64::from(hi) << 21) | u64::from(lo >> 11)) as f64 / (1u64 << 53) as f64;
    (f(w[0], w[1]), f(w[2], w[3]))
}

/// Zeroes each element with probability `p`, scales the others.
///
/// # Safety
/// The operands are valid for the shape and their strides.
pub unsafe fn dropout<T: FloatElem + Elem>(
    seed: u64,
    offset: u64,
    p: f64,
    shape: &[usize],
    x: In<T>,
    y: Out<T>,
) {
    let scale = if p < 1.0 { 1.0 / (1.0 - p) } else { 0.0 };
    for i in 0..shape.iter().product::<usize>() {
        let (mut at_x, mut at_y, mut rest) = (0, 0, i);
        for d in (0..shape.len()).rev() {
            at_x += (rest % shape[d]) as isize * x.strides[d];
            at_y += (rest % shape[d]) as isize * y.strides[d];
            rest /= shape[d];
        }
        let keep = unit(seed, offset + i as u64).0 >= p;
        // SAFETY: the caller's promise.
        unsafe {
            let v = (*x.ptr.offset(at_x)).cast::<f64>();
            *y.ptr.offset(at_y) = (if keep { v * scale } else { 0.0 }).cast::<T>();
        }
    }
}

/// Numbers from `low` to `high`.
///
/// # Safety
/// `y` is valid for `n` elements.
pub unsafe fn uniform<T: FloatElem + Elem>(seed: u64, offset: u64, low: f64, high: f64, n: usize, y: *mut T) {
    for i in 0..n {
        // SAFETY: the caller's promise.
        unsafe { *y.add(i) = (low + (high - low) * unit(seed, offset + i as u64).0).cast::<T>() };
    }
}

/// Normally distributed numbers.
///
/// # Safety
/// `y` is valid for `n` elements.
pub unsafe fn normal<T: FloatElem + Elem>(seed: u64, offset: u64, mean: f64, std: f64, n: usize, y: *mut T) {
    for i in 0..n {
        let (a, b) = unit(seed, offset + i as u64);
        let z = (-2.0 * (1.0 - a).ln()).sqrt() * (std::f64::consts::TAU * b).cos();
        // SAFETY: the caller's promise.
        unsafe { *y.add(i) = (mean + std * z).cast::<T>() };
    }
}
