//! Optimizer steps, fused: one pass over all parameters and their state.
//!
//! The formulas and their order are torch's, but that state smaller than any normal number becomes zero. All tensors are
//! contiguous; `step` counts the steps taken so far and is advanced here.
use crate::operand::Shared;
use crate::pool;
use crate::simd::{self, Float, FloatVec, Kernel, Simd};
use std::ops::Range;

/// What stays the same for all parameters of an SGD step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdHyper {
    /// Learning rate.
    pub lr: f64,
    /// Zero: no momentum, and no buffer.
    pub momentum: f64,
    /// How much of a new gradient the buffer leaves out.
    pub dampening: f64,
    /// L2 penalty.
    pub weight_decay: f64,
    /// Looks ahead along the buffer.
    pub nesterov: bool,
    /// Climbs instead of descending.
    pub maximize: bool,
}

/// One parameter of an SGD step.
#[derive(Clone, Copy, Debug)]
pub struct SgdParam<T> {
    /// The number of elements.
    pub n: usize,
    /// The parameter.
    pub param: *mut T,
    /// Its gradient.
    pub grad: *const T,
    /// The momentum buffer; not touched when momentum is zero. What it holds before the first step does not matter.
    pub buffer: *mut T,
    /// Steps taken so far.
    pub step: *mut f32,
}

/// What stays the same for all parameters of a step of Adam (Kingma and Ba, 2015) or AdamW (Loshchilov and Hutter, 2019).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamHyper {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the mean of gradients.
    pub beta1: f64,
    /// Decay of the mean of their squares.
    pub beta2: f64,
    /// Added to the denominator.
    pub eps: f64,
    /// L2 penalty, or decay where `decoupled`.
    pub weight_decay: f64,
    /// AdamW: weights decay by themselves, not through the gradient.
    pub decoupled: bool,
    /// Climbs instead of descending.
    pub maximize: bool,
}

/// One parameter of an Adam step.
#[derive(Clone, Copy, Debug)]
pub struct AdamParam<T> {
    /// The number of elements.
    pub n: usize,
    /// The parameter.
    pub param: *mut T,
    /// Its gradient.
    pub grad: *const T,
    /// The mean of gradients.
    pub mean: *mut T,
    /// The mean of their squares.
    pub square: *mut T,
    /// Steps taken so far.
    pub step: *mut f32,
}

/// One SGD step on all `params`.
///
/// # Safety
/// Every pointer is valid for `n` elements (`step` for one), and no two of them overlap but those of parameters.
pub unsafe fn sgd<T: Float>(params: &[SgdParam<T>], hyper: &SgdHyper) {
    // SAFETY: promised by the caller.
    unsafe { step(params, hyper) }
}

/// One Adam or AdamW step on all `params`.
///
/// # Safety
/// Every pointer is valid for `n` elements (`step` for one), and no two of them overlap but those of parameters.
pub unsafe fn adam<T: Float>(params: &[AdamParam<T>], hyper: &AdamHyper) {
    // SAFETY: promised by the caller.
    unsafe { step(params, hyper) }
}

/// Below so many elements by each, a second thread costs more than it brings.
const GRAIN: usize = 16 << 10;
/// Elements in whole cache lines, whatever their type.
const LINE_ELEMENTS: usize = simd::LINE / size_of::<f32>();

/// So many elements are made a core's own at a time: they stay in its first cache.
const OWNED: usize = 512;
/// How often state [settles](settle).
const SETTLES: u64 = 16;

/// A parameter with its state, and the rule that moves it.
trait Param: Copy {
    type Hyper: Sync;
    fn len(&self) -> usize;
    fn step(&self) -> *mut f32;
    /// Where the parameter lies.
    fn addresses(&self) -> Range<usize>;
    /// Moves the elements of `range`.
    ///
    /// # Safety
    /// The pointers are valid as [`sgd`] and [`adam`] ask, and nobody else touches the range. Others may have read it if they
    /// `may_have_copies`.
    unsafe fn advance<S: Simd>(
        &self,
        simd: S,
        range: Range<usize>,
        hyper: &Self::Hyper,
        may_have_copies: bool,
    );
}

/// # Safety
/// As for [`sgd`].
unsafe fn step<P: Param>(params: &[P], hyper: &P::Hyper) {
    let level = simd::level();
    let total = params.iter().map(P::len).sum::<usize>();
    let shared = Shared(&raw const *params);
    // One part of each parameter a thread: mostly it gets the same ones at every step, and finds its part of the state in its
    // own cache, and of the gradients those rows that it computed.
    let parts = pool::num_threads().min(total / GRAIN).max(1);
    let parts = if parts > 1 && overlap(params) { 1 } else { parts };
    pool::run(parts, &|part| {
        // SAFETY: the slice outlives the region; the level is supported; parts do not overlap.
        unsafe { simd::dispatch_unchecked(level, Part { params: &*shared.get(), part, parts, hyper }) }
    });
    for param in params {
        // SAFETY: promised by the caller. All tasks are done.
        unsafe { *param.step() += 1.0 };
    }
}

/// Whether some parameters are views of the same memory: what is left there depends on the order.
fn overlap<P: Param>(params: &[P]) -> bool {
    let mut all: Vec<_> = params.iter().map(|p| p.addresses()).collect();
    all.sort_unstable_by_key(|range| range.start);
    all.windows(2).any(|pair| pair[1].start < pair[0].end)
}

/// Part `part` of `parts` of each parameter, in whole cache lines.
struct Part<'a, P: Param> {
    params: &'a [P],
    part: usize,
    parts: usize,
    hyper: &'a P::Hyper,
}

impl<P: Param> Kernel for Part<'_, P> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for param in self.params {
            let lines = param.len().div_ceil(LINE_ELEMENTS);
            let cut = |part: usize| pool::cut(lines, self.parts, part) * LINE_ELEMENTS;
            let (from, to) = (cut(self.part), cut(self.part + 1).min(param.len()));
            if from < to {
                // SAFETY: nobody else has this part.
                unsafe { param.advance(simd, from..to, self.hyper, self.parts > 1) };
            }
        }
    }
}

impl<T: Float> Param for SgdParam<T> {
    type Hyper = SgdHyper;

    fn len(&self) -> usize {
        self.n
    }

    fn addresses(&self) -> Range<usize> {
        let first = self.param as usize;
        first..first + self.n * size_of::<T>()
    }

    fn step(&self) -> *mut f32 {
        self.step
    }

    #[inline(always)]
    unsafe fn advance<S: Simd>(&self, simd: S, range: Range<usize>, hyper: &SgdHyper, may_have_copies: bool) {
        let all = |value: f64| T::Vec::<S>::splat(simd, T::from_f64(value));
        let decay = all(hyper.weight_decay);
        let sign = all(if hyper.maximize { -1.0 } else { 1.0 });
        let (momentum, fresh) = (all(hyper.momentum), all(1.0 - hyper.dampening));
        let down = all(-hyper.lr);
        // SAFETY: promised by the caller.
        let steps = unsafe { *self.step } as u64;
        let lanes = T::Vec::<S>::LANES;
        for i in range.clone().step_by(lanes) {
            let n = lanes.min(range.end - i);
            // SAFETY: `n` elements from `i` are inside the range.
            unsafe {
                if may_have_copies {
                    own(self.param, i, &range);
                }
                let p = load(simd, self.param.add(i), n);
                let mut g = sign * load(simd, self.grad.add(i), n);
                if hyper.weight_decay != 0.0 {
                    g = decay.mul_add(p, g);
                }
                if hyper.momentum != 0.0 {
                    let buffer = self.buffer.add(i);
                    let b = if steps == 0 { g } else { momentum.mul_add(load(simd, buffer, n), fresh * g) };
                    store(b, buffer, n);
                    g = if hyper.nesterov { momentum.mul_add(b, g) } else { b };
                }
                store(down.mul_add(g, p), self.param.add(i), n);
            }
        }
        if hyper.momentum != 0.0 {
            // SAFETY: promised by the caller.
            unsafe { settle(simd, steps, self.buffer, range, T::MIN_POSITIVE.to_f64()) };
        }
    }
}

impl<T: Float> Param for AdamParam<T> {
    type Hyper = AdamHyper;

    fn len(&self) -> usize {
        self.n
    }

    fn addresses(&self) -> Range<usize> {
        let first = self.param as usize;
        first..first + self.n * size_of::<T>()
    }

    fn step(&self) -> *mut f32 {
        self.step
    }

    #[inline(always)]
    unsafe fn advance<S: Simd>(
        &self,
        simd: S,
        range: Range<usize>,
        hyper: &AdamHyper,
        may_have_copies: bool,
    ) {
        // SAFETY: promised by the caller.
        let steps = unsafe { *self.step } as u64 + 1;
        let all = |value: f64| T::Vec::<S>::splat(simd, T::from_f64(value));
        let decay = all(hyper.weight_decay);
        let shrink = all(1.0 - hyper.lr * hyper.weight_decay);
        let sign = all(if hyper.maximize { -1.0 } else { 1.0 });
        // The mean moves towards the gradient from the nearer end, as torch's `lerp` does.
        let (near, weight) = (1.0 - hyper.beta1 < 0.5, all(1.0 - hyper.beta1));
        let beta1 = all(hyper.beta1);
        let (beta2, fresh) = (all(hyper.beta2), all(1.0 - hyper.beta2));
        let down = all(-hyper.lr / (1.0 - power(hyper.beta1, steps)));
        let scale = all(1.0 / (1.0 - power(hyper.beta2, steps)).sqrt());
        let eps = all(hyper.eps);
        let lanes = T::Vec::<S>::LANES;
        for i in range.clone().step_by(lanes) {
            let n = lanes.min(range.end - i);
            // SAFETY: `n` elements from `i` are inside the range.
            unsafe {
                if may_have_copies {
                    own(self.param, i, &range);
                }
                let mut p = load(simd, self.param.add(i), n);
                let mut g = sign * load(simd, self.grad.add(i), n);
                if hyper.weight_decay != 0.0 {
                    if hyper.decoupled {
                        p = p * shrink;
                    } else {
                        g = decay.mul_add(p, g);
                    }
                }
                let m = load(simd, self.mean.add(i), n);
                let m = if near { weight.mul_add(g - m, m) } else { beta1.neg_mul_add(g - m, g) };
                let v = load(simd, self.square.add(i), n);
                let v = (fresh * g).mul_add(g, beta2 * v);
                store(m, self.mean.add(i), n);
                store(v, self.square.add(i), n);
                let denominator = v.sqrt().mul_add(scale, eps);
                store(p + down * m / denominator, self.param.add(i), n);
            }
        }
        // A square counts as long as its root can be seen beside `eps`.
        let unseen = hyper.eps / (1u64 << (T::MANTISSA_BITS + 8)) as f64;
        let least = T::MIN_POSITIVE.to_f64();
        // SAFETY: promised by the caller.
        unsafe {
            settle(simd, steps, self.mean, range.clone(), least);
            settle(simd, steps, self.square, range, least.min(unseen * unseen));
        }
    }
}

/// Every so many steps, what is nearer to zero than a normal number becomes zero: a state that only decays, as that of a unit
/// which is dead, would become subnormal and stay so, and processors take long over subnormal numbers.
///
/// # Safety
/// The elements of `range` are readable and writable.
#[inline(always)]
unsafe fn settle<S: Simd, T: Float>(simd: S, steps: u64, state: *mut T, range: Range<usize>, least: f64) {
    if !steps.is_multiple_of(SETTLES) {
        return;
    }
    let (zero, least) = (T::Vec::<S>::zero(simd), T::Vec::<S>::splat(simd, T::from_f64(least)));
    let lanes = T::Vec::<S>::LANES;
    for i in range.clone().step_by(lanes) {
        let n = lanes.min(range.end - i);
        // SAFETY: promised by the caller.
        unsafe {
            let x: T::Vec<S> = load(simd, state.add(i), n);
            store(T::Vec::<S>::select(x.abs().lt(least), zero, x), state.add(i), n);
        }
    }
}

/// At every so many elements of `range`, of which `i` is the next, makes this core the only one that has the cache lines of as
/// many. Forward and backward left copies with others, and a store waits until they are gone; such stores one after the other
/// wait together, but one by one where others lie between.
///
/// # Safety
/// The elements of `range` are readable and writable.
#[inline(always)]
unsafe fn own<T>(ptr: *mut T, i: usize, range: &Range<usize>) {
    if !(i - range.start).is_multiple_of(OWNED) {
        return;
    }
    for i in (i..range.end.min(i + OWNED)).step_by(simd::LINE / size_of::<T>()) {
        // SAFETY: promised by the caller. Volatile, since a store of what is there would be left out.
        unsafe { ptr.add(i).write_volatile(ptr.add(i).read_volatile()) }
    }
}

/// # Safety
/// `n` elements are readable, `n` at most the number of lanes.
#[inline(always)]
unsafe fn load<V: FloatVec>(simd: V::Token, ptr: *const V::Elem, n: usize) -> V {
    // SAFETY: promised by the caller.
    unsafe { if n == V::LANES { V::load(simd, ptr) } else { V::load_first(simd, ptr, n) } }
}

/// # Safety
/// `n` elements are writable, `n` at most the number of lanes.
#[inline(always)]
unsafe fn store<V: FloatVec>(value: V, ptr: *mut V::Elem, n: usize) {
    // SAFETY: promised by the caller.
    unsafe { if n == V::LANES { value.store(ptr) } else { value.store_first(ptr, n) } }
}

/// `base` to the `n`, by squaring: unlike the C library's `pow`, the same on every platform.
fn power(mut base: f64, mut n: u64) -> f64 {
    let mut result = 1.0;
    while n > 0 {
        if n & 1 == 1 {
            result *= base;
        }
        base *= base;
        n >>= 1;
    }
    result
}

#[cfg(test)]
mod tests;
