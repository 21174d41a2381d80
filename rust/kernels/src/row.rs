//! What the kernels do with one row: brought to the computing type block by block, summed in fixed lanes.
use crate::simd::{Float, FloatElem, FloatVec, MAX_LANES, Simd};
use std::mem::MaybeUninit;

/// Elements staged at once.
pub(crate) const BLOCK: usize = 512;
/// Element `i` of a row is summed in lane `i % LANES`; lanes are combined in halves.
pub(crate) const LANES: usize = 16;

/// Room for one staged block.
pub(crate) type Stage<T> = [MaybeUninit<<T as FloatElem>::Compute>; BLOCK];

/// The vector a row is computed in.
pub(crate) type V<T, S> = <<T as FloatElem>::Compute as Float>::Vec<S>;

/// Empty room.
#[inline(always)]
pub(crate) fn room<T: FloatElem>() -> Stage<T> {
    [MaybeUninit::uninit(); BLOCK]
}

/// Elements of a row, brought to the computing type.
#[derive(Clone, Copy)]
pub(crate) struct Block<C> {
    x: *const C,
    pub len: usize,
}

impl<C: Float> Block<C> {
    /// The vector from element `at` on; `pad` beyond the end.
    ///
    /// # Safety
    /// The block is readable.
    #[inline(always)]
    pub unsafe fn load<V: FloatVec<Elem = C>>(self, at: usize, pad: V) -> V {
        // SAFETY: the caller's promise.
        unsafe {
            if at + V::LANES <= self.len {
                return V::load(pad.token(), self.x.add(at));
            }
            if at >= self.len {
                return pad;
            }
            let rest = self.len - at;
            let inside = V::numbers(pad.token()).lt(pad.lit(rest as f64));
            V::select(inside, V::load_first(pad.token(), self.x.add(at), rest), pad)
        }
    }

    /// As [`load`](Block::load); where `WHOLE`, the vector ends within the block.
    ///
    /// # Safety
    /// The block is readable, and what `WHOLE` says is so.
    #[inline(always)]
    pub unsafe fn load_part<V: FloatVec<Elem = C>, const WHOLE: bool>(self, at: usize, pad: V) -> V {
        // SAFETY: the caller's promise.
        unsafe { if WHOLE { V::load(pad.token(), self.x.add(at)) } else { self.load(at, pad) } }
    }
}

/// A row to read: its first element and its step.
#[derive(Clone, Copy)]
pub(crate) struct RowIn<T> {
    pub x: *const T,
    pub step: isize,
    pub n: usize,
}

impl<T: FloatElem> RowIn<T> {
    /// The elements `start..start + len` (at most a block) as the computing type: where they lie, if they can be used
    /// there, else in `stage`.
    ///
    /// # Safety
    /// The row is readable.
    #[inline(always)]
    pub unsafe fn fetch<S: Simd>(
        self,
        simd: S,
        start: usize,
        len: usize,
        stage: &mut Stage<T>,
    ) -> Block<T::Compute> {
        // SAFETY: the caller's promise; the stage holds a block.
        unsafe {
            if self.step == 1 {
                let x = self.x.add(start);
                if T::IS_COMPUTE {
                    return Block { x: x.cast(), len };
                }
                let staged = stage.as_mut_ptr().cast::<T::Compute>();
                let mut i = 0;
                while i + V::<T, S>::LANES <= len {
                    T::load(simd, x.add(i)).store(staged.add(i));
                    i += V::<T, S>::LANES;
                }
                if i < len {
                    T::load_first(simd, x.add(i), len - i).store_first(staged.add(i), len - i);
                }
            } else {
                for (i, slot) in stage[..len].iter_mut().enumerate() {
                    slot.write((*self.x.offset((start + i) as isize * self.step)).widen());
                }
            }
        }
        Block { x: stage.as_ptr().cast(), len }
    }

    /// The whole row, if it is no more than a block.
    ///
    /// # Safety
    /// The row is readable.
    #[inline(always)]
    pub unsafe fn fetch_short<S: Simd>(self, simd: S, stage: &mut Stage<T>) -> Option<Block<T::Compute>> {
        if self.n > BLOCK {
            return None;
        }
        // SAFETY: the caller's promise.
        Some(unsafe { self.fetch(simd, 0, self.n, stage) })
    }

    /// The whole row as [`fetch_short`](RowIn::fetch_short) gave it, or where it gave none, the elements
    /// `start..start + len`.
    ///
    /// # Safety
    /// As for [`fetch`](RowIn::fetch).
    #[inline(always)]
    pub unsafe fn block<S: Simd>(
        self,
        simd: S,
        short: Option<Block<T::Compute>>,
        start: usize,
        len: usize,
        stage: &mut Stage<T>,
    ) -> Block<T::Compute> {
        match short {
            Some(block) => block,
            // SAFETY: the caller's promise.
            None => unsafe { self.fetch(simd, start, len, stage) },
        }
    }

    /// One element.
    ///
    /// # Safety
    /// `i < n`, and the row is readable.
    #[inline(always)]
    pub unsafe fn at(self, i: usize) -> T::Compute {
        // SAFETY: the caller's promise.
        unsafe { *self.x.offset(i as isize * self.step) }.widen()
    }
}

/// A row to write.
#[derive(Clone, Copy)]
pub(crate) struct RowOut<T> {
    pub y: *mut T,
    pub step: isize,
}

impl<T: FloatElem> RowOut<T> {
    /// Writes a vector from element `at` of `n` on, as far as the row goes.
    ///
    /// # Safety
    /// The row is writable.
    #[inline(always)]
    pub unsafe fn put<S: Simd>(self, simd: S, at: usize, n: usize, value: V<T, S>) {
        if at >= n {
            return;
        }
        let count = V::<T, S>::LANES.min(n - at);
        // SAFETY: the caller's promise; the array holds the widest vector.
        unsafe {
            if self.step != 1 {
                let mut lanes = [T::Compute::default(); MAX_LANES];
                value.store(lanes.as_mut_ptr());
                for (i, &lane) in lanes[..count].iter().enumerate() {
                    *self.y.offset((at + i) as isize * self.step) = T::narrow(lane);
                }
            } else if count == V::<T, S>::LANES {
                T::store(simd, value, self.y.add(at));
            } else {
                T::store_first(simd, value, self.y.add(at), count);
            }
        }
    }
}

/// The most vectors that make up [`LANES`] lanes.
pub(crate) const PARTS: usize = 8;

/// The vectors that make up [`LANES`] lanes at a level.
pub(crate) const fn parts<V: FloatVec>() -> usize {
    assert!(LANES.is_multiple_of(V::LANES) && LANES / V::LANES <= PARTS);
    LANES / V::LANES
}

/// The lanes combined in halves.
#[inline(always)]
pub(crate) fn fold<V: FloatVec>(parts: [V; PARTS], f: impl Fn(V::Elem, V::Elem) -> V::Elem) -> V::Elem {
    let mut lanes = [V::Elem::default(); LANES];
    for (k, part) in parts.into_iter().enumerate().take(self::parts::<V>()) {
        // SAFETY: the array holds the lanes.
        unsafe { part.store(lanes.as_mut_ptr().add(k * V::LANES)) };
    }
    let mut width = LANES / 2;
    while width > 0 {
        for l in 0..width {
            lanes[l] = f(lanes[l], lanes[l + width]);
        }
        width /= 2;
    }
    lanes[0]
}

/// Element `i` of a block is summed in lane `i % WIDTH`, twice the lanes of other sums, to hide the latency of additions.
pub(crate) const WIDTH: usize = 2 * LANES;

/// The vectors that make up [`WIDTH`] lanes at a level.
pub(crate) const fn vectors<V: FloatVec>() -> usize {
    WIDTH / LANES * parts::<V>()
}

/// The lanes of a sum over a row that is taken block by block: each block's lanes are summed alone, then added to the total, so that
/// long rows lose few digits.
pub(crate) struct Sum<V: FloatVec> {
    total: [V; PARTS],
    block: [V; 2 * PARTS],
}

impl<V: FloatVec> Sum<V> {
    #[inline(always)]
    pub fn new(simd: V::Token) -> Self {
        Self { total: [V::zero(simd); PARTS], block: [V::zero(simd); 2 * PARTS] }
    }

    /// Adds to vector `k` of the lanes.
    #[inline(always)]
    pub fn add(&mut self, k: usize, x: V) {
        self.block[k] = self.block[k] + x;
    }

    /// Adds a product to vector `k` of the lanes.
    #[inline(always)]
    pub fn add_product(&mut self, k: usize, a: V, b: V) {
        self.block[k] = a.mul_add(b, self.block[k]);
    }

    /// Ends a block.
    #[inline(always)]
    pub fn end_block(&mut self) {
        for k in 0..parts::<V>() {
            let (low, high) = (self.block[k], self.block[k + parts::<V>()]);
            self.total[k] = self.total[k] + (low + high);
            self.block[k] = low.lit(0.0);
            self.block[k + parts::<V>()] = low.lit(0.0);
        }
    }

    /// The lanes combined in halves.
    #[inline(always)]
    pub fn finish(self) -> V::Elem {
        fold(self.total, |a, b| a + b)
    }
}
