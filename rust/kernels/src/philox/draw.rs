//! Draws: words made numbers.
use super::block::block;
use super::{COUNTERS, WORDS};
use crate::formula::{log, quadrant};
use crate::nest::Nest;
use crate::operand::{In, Out, Shared};
use crate::pool;
use crate::simd::{Float, FloatElem, FloatVec, IntVec, Kernel, Simd, WordVec, dispatch_unchecked, level};
use std::ops::Range;

/// Elements a thread should have at least.
const GRAIN: usize = 8 << 10;

/// Elements a block gives: `f64`, which takes two words, has half as many as the others.
fn elements<C: Float>() -> usize {
    if C::IS_F64 { WORDS / 2 } else { WORDS }
}

/// Runs `make` on the blocks of `n` elements, `per` a block, in parallel where that pays: it is given a range of blocks.
fn blocks(n: usize, per: usize, make: impl Fn(Range<usize>) + Sync) {
    pool::chunks(n.div_ceil(per), GRAIN / per, make);
}

/// How a block of words becomes a block of numbers, and where they go.
struct Fill<T, M> {
    seed: u64,
    offset: u64,
    blocks: Range<usize>,
    n: usize,
    y: *mut T,
    make: M,
}

/// What numbers a block of words is made.
trait Make<C: Float>: Copy + Send + Sync {
    fn make<S: Simd>(self, simd: S, words: &[u32; WORDS], out: &mut [C; WORDS]);
}

impl<T: FloatElem, M: Make<T::Compute>> Kernel for Fill<T, M> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let per = elements::<T::Compute>();
        let lanes = <T::Compute as Float>::Vec::<S>::LANES;
        let mut out = [T::Compute::default(); WORDS];
        for b in self.blocks {
            let counter = self.offset.wrapping_add((b * COUNTERS) as u64);
            self.make.make(simd, &block(simd, self.seed, counter), &mut out);
            let start = b * per;
            let len = per.min(self.n - start);
            let mut i = 0;
            // SAFETY: n elements are writable.
            unsafe {
                while i + lanes <= len {
                    T::store(simd, FloatVec::load(simd, out.as_ptr().add(i)), self.y.add(start + i));
                    i += lanes;
                }
                if i < len {
                    let rest = FloatVec::load_first(simd, out.as_ptr().add(i), len - i);
                    T::store_first(simd, rest, self.y.add(start + i), len - i);
                }
            }
        }
    }
}

fn fill<T: FloatElem, M: Make<T::Compute>>(seed: u64, offset: u64, n: usize, y: *mut T, make: M) {
    let (level, y) = (level(), Shared(y));
    blocks(n, elements::<T::Compute>(), |blocks| {
        let kernel = Fill { seed, offset, blocks, n, y: y.get(), make };
        // SAFETY: the level was chosen by `level()`.
        unsafe { dispatch_unchecked(level, kernel) }
    });
}

/// Numbers uniform in `[0, 1)`, as many as a block gives: 24 bits of one word, or 53 bits of two.
#[inline(always)]
fn units<S: Simd, C: Float>(simd: S, words: &[u32; WORDS], out: &mut [C; WORDS]) {
    if C::IS_F64 {
        for half in 0..2 {
            for j in 0..COUNTERS {
                let (a, b) = (words[2 * half * COUNTERS + j], words[(2 * half + 1) * COUNTERS + j]);
                let bits = (a as u64 >> 5) << 26 | b as u64 >> 6;
                out[half * COUNTERS + j] = C::from_f64(bits as f64 * 2f64.powi(-53));
            }
        }
    } else {
        let scale = S::F32::splat(simd, 2f32.powi(-24));
        let mut values = [0f32; WORDS];
        let mut i = 0;
        while i < WORDS {
            // SAFETY: both arrays hold a block, a multiple of the lanes.
            unsafe {
                let word = S::U32::load(simd, words.as_ptr().add(i));
                (word.shr(8).to_f32() * scale).store(values.as_mut_ptr().add(i));
            }
            i += <S::U32 as WordVec>::LANES;
        }
        for (out, value) in out.iter_mut().zip(values) {
            // Exact: the computing type is f32.
            *out = C::from_f64(value.into());
        }
    }
}

#[derive(Clone, Copy)]
struct Uniform {
    low: f64,
    high: f64,
    /// The largest number below `high` in the type of the result, where that is a narrower one; else infinity.
    last: f64,
}

impl<C: Float> Make<C> for Uniform {
    #[inline(always)]
    fn make<S: Simd>(self, simd: S, words: &[u32; WORDS], out: &mut [C; WORDS]) {
        units(simd, words, out);
        let low = C::Vec::<S>::splat(simd, C::from_f64(self.low));
        let (high, range, last) = (low.lit(self.high), low.lit(self.high - self.low), low.lit(self.last));
        let mut i = 0;
        while i < elements::<C>() {
            // SAFETY: the array holds a block, a multiple of the lanes.
            unsafe {
                let at = out.as_mut_ptr().add(i);
                let y = C::Vec::<S>::load(simd, at).fma(range, low);
                // What was rounded up to the end goes to the beginning: the end is not to be drawn.
                C::Vec::<S>::select(y.lt(high), y, low).min(last).store(at);
            }
            i += C::Vec::<S>::LANES;
        }
    }
}

/// `n` numbers uniform in `[low, high)`.
///
/// # Safety
/// `n` elements are writable at `y`.
pub unsafe fn uniform<T: FloatElem>(seed: u64, offset: u64, low: f64, high: f64, n: usize, y: *mut T) {
    let near = |x: f64| T::narrow(T::Compute::from_f64(x)).widen().to_f64();
    // The next one below lies half a step away at least, and a whole one at most.
    let below = [high, high - 0.6 * T::EPSILON * high.abs()].map(near).into_iter().find(|&x| x < high);
    let last = below.filter(|&x| !T::IS_COMPUTE && x >= near(low)).unwrap_or(f64::INFINITY);
    fill(seed, offset, n, y, Uniform { low, high, last });
}

#[derive(Clone, Copy)]
struct Normal {
    mean: f64,
    std: f64,
}

impl<C: Float> Make<C> for Normal {
    /// Box and Muller: two uniform numbers make two normal ones.
    #[inline(always)]
    fn make<S: Simd>(self, simd: S, words: &[u32; WORDS], out: &mut [C; WORDS]) {
        type V<C, S> = <C as Float>::Vec<S>;
        units(simd, words, out);
        let mean = V::<C, S>::splat(simd, C::from_f64(self.mean));
        let std = mean.lit(self.std);
        let (one, zero) = (mean.lit(1.0), mean.lit(0.0));
        let mut start = 0;
        while start < elements::<C>() {
            let mut j = 0;
            while j < COUNTERS {
                // SAFETY: the array holds a block; the second half of a pair lies COUNTERS after the first.
                unsafe {
                    let first = out.as_mut_ptr().add(start + j);
                    let second = first.add(COUNTERS);
                    let (u, v) = (V::<C, S>::load(simd, first), V::<C, S>::load(simd, second));
                    // 1 - u is never zero.
                    let radius = (log(one - u) * mean.lit(-2.0)).max(zero).sqrt();
                    // The angle, to the nearest quarter turn and what is beyond: both exact.
                    let quarter = (v * mean.lit(4.0)).round();
                    let rest = (v - quarter * mean.lit(0.25)) * mean.lit(std::f64::consts::TAU);
                    let (sin, cos) = (quadrant(rest, quarter, 0), quadrant(rest, quarter, 1));
                    (radius * cos).fma(std, mean).store(first);
                    (radius * sin).fma(std, mean).store(second);
                }
                j += V::<C, S>::LANES;
            }
            start += 2 * COUNTERS;
        }
    }
}

/// `n` normal numbers.
///
/// # Safety
/// `n` elements are writable at `y`.
pub unsafe fn normal<T: FloatElem>(seed: u64, offset: u64, mean: f64, std: f64, n: usize, y: *mut T) {
    fill(seed, offset, n, y, Normal { mean, std });
}

/// `n` words as they come.
///
/// # Safety
/// `n` words are writable at `y`.
pub unsafe fn bits(seed: u64, offset: u64, n: usize, y: *mut u32) {
    let (level, y) = (level(), Shared(y));
    blocks(n, WORDS, |blocks| {
        for b in blocks {
            let counter = offset.wrapping_add((b * COUNTERS) as u64);
            // SAFETY: the level was chosen by `level()`; n words are writable.
            unsafe {
                let words = dispatch_unchecked(level, Words { seed, counter });
                let start = b * WORDS;
                std::ptr::copy_nonoverlapping(words.as_ptr(), y.get().add(start), WORDS.min(n - start));
            }
        }
    });
}

/// `n` integers uniform in `low..high`; `low` where that is empty.
///
/// # Safety
/// `n` elements are writable at `y`.
pub unsafe fn randint(seed: u64, offset: u64, low: i64, high: i64, n: usize, y: *mut i64) {
    let (level, y) = (level(), Shared(y));
    // The distance fits a u64 even where it does not fit an i64.
    let range = if high > low { high.wrapping_sub(low) as u64 } else { 1 };
    let per = WORDS / 2;
    blocks(n, per, |blocks| {
        for b in blocks {
            let counter = offset.wrapping_add((b * COUNTERS) as u64);
            // SAFETY: the level was chosen by `level()`.
            let words = unsafe { dispatch_unchecked(level, Words { seed, counter }) };
            let start = b * per;
            for i in 0..per.min(n - start) {
                let pair = i / COUNTERS * 2 * COUNTERS + i % COUNTERS;
                let random = (words[pair] as u64) << 32 | words[pair + COUNTERS] as u64;
                // Of 64 bits the product's high half is as good as unbiased.
                let value = ((random as u128 * range as u128) >> 64) as u64;
                // SAFETY: n elements are writable.
                unsafe { *y.get().add(start + i) = low.wrapping_add(value as i64) };
            }
        }
    });
}

struct Words {
    seed: u64,
    counter: u64,
}

impl Kernel for Words {
    type Output = [u32; WORDS];
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> [u32; WORDS] {
        block(simd, self.seed, self.counter)
    }
}

/// `y = x / (1 - p)` where a coin with probability `1 - p` falls so, else 0; coin `i` belongs to the element with logical
/// row-major number `i`. The same call on the gradient is the backward pass.
///
/// # Safety
/// The operands are valid for `shape` and their strides; `y` may be exactly `x`, and overlaps it in no other way.
pub unsafe fn dropout<T: FloatElem>(seed: u64, offset: u64, p: f64, shape: &[usize], x: In<T>, y: Out<T>) {
    let Some(mut nest) = Nest::ordered(shape, [x.strides, y.strides]) else { return };
    nest.merge();
    let plain = nest.rank() == 0 || (nest.rank() == 1 && nest.strides(0) == [1, 1]);
    let n = nest.count();
    let scale = if p < 1.0 { 1.0 / (1.0 - p) } else { 0.0 };
    // Kept are the 24-bit numbers from here on.
    let threshold = (p.clamp(0.0, 1.0) * 2f64.powi(24)).ceil() as u32;
    let (level, from, to) = (level(), Shared(x.ptr), Shared(y.ptr));
    blocks(n, WORDS, |blocks| {
        for b in blocks {
            let start = b * WORDS;
            let len = WORDS.min(n - start);
            let counter = offset.wrapping_add((b * COUNTERS) as u64);
            let mut drop = Drop { seed, counter, threshold, scale, x: from.get(), y: to.get(), len };
            // SAFETY: the offsets lie inside the operands; the level was chosen by `level()`.
            unsafe {
                if plain {
                    drop.x = drop.x.add(start);
                    drop.y = drop.y.add(start);
                    dispatch_unchecked(level, drop);
                    continue;
                }
                let mut stage = [T::narrow(T::Compute::default()); WORDS];
                let mut slots = stage.iter_mut();
                nest.each(start..start + len, |[at, _]| {
                    if let Some(slot) = slots.next() {
                        *slot = *from.get().offset(at);
                    }
                });
                drop.x = stage.as_ptr();
                drop.y = stage.as_mut_ptr();
                dispatch_unchecked(level, drop);
                let mut values = stage.iter();
                nest.each(start..start + len, |[_, at]| {
                    if let Some(value) = values.next() {
                        *to.get().offset(at) = *value;
                    }
                });
            }
        }
    });
}

/// A block of elements to be kept or dropped.
struct Drop<T> {
    seed: u64,
    counter: u64,
    threshold: u32,
    scale: f64,
    x: *const T,
    y: *mut T,
    len: usize,
}

impl<T: FloatElem> Kernel for Drop<T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        type V<T, S> = <<T as FloatElem>::Compute as Float>::Vec<S>;
        let words = block(simd, self.seed, self.counter);
        let mut factors = [T::Compute::default(); WORDS];
        let scale = T::Compute::from_f64(self.scale);
        for (factor, word) in factors.iter_mut().zip(words) {
            *factor = if word >> 8 >= self.threshold { scale } else { T::Compute::default() };
        }
        let lanes = V::<T, S>::LANES;
        let zero = V::<T, S>::zero(simd);
        let mut i = 0;
        // SAFETY: len elements lie at both pointers, and the factors are as many.
        unsafe {
            while i < self.len {
                let rest = lanes.min(self.len - i);
                let f = V::<T, S>::load(simd, factors.as_ptr().add(i));
                // What is dropped is zero, whatever it was.
                if rest == lanes {
                    let x = T::load(simd, self.x.add(i));
                    T::store(simd, V::<T, S>::select(f.equals(zero), zero, x * f), self.y.add(i));
                } else {
                    let x = T::load_first(simd, self.x.add(i), rest);
                    T::store_first(simd, V::<T, S>::select(f.equals(zero), zero, x * f), self.y.add(i), rest);
                }
                i += lanes;
            }
        }
    }
}
