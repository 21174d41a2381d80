//! What the kernels do with one row: brought to the computing type block by block, summed in fixed lanes.
use crate::formula::exp;
use crate::simd::{Float, FloatElem, FloatVec, Simd};

/// Elements staged at once.
pub(super) const BLOCK: usize = 512;
/// Element `i` of a row is summed in lane `i % LANES`; lanes are combined in halves.
pub(super) const LANES: usize = 16;

/// One staged block.
pub(super) type Stage<T> = [<T as FloatElem>::Compute; BLOCK];

/// A row to read: its first element and its step.
#[derive(Clone, Copy)]
pub(super) struct RowIn<T> {
    pub x: *const T,
    pub step: isize,
    pub n: usize,
}

impl<T: FloatElem> RowIn<T> {
    /// The elements `start..start + len` (at most a block) as the computing type, filled up with `pad` to whole
    /// [`LANES`]: where they lie, if they can be used there, else in `stage`.
    ///
    /// # Safety
    /// The row is readable.
    #[inline(always)]
    pub unsafe fn fetch<S: Simd>(
        self,
        simd: S,
        start: usize,
        len: usize,
        pad: T::Compute,
        stage: &mut Stage<T>,
    ) -> *const T::Compute {
        // SAFETY: the caller's promise; the stage holds a block.
        unsafe {
            if self.step == 1 {
                let x = self.x.add(start);
                if T::IS_COMPUTE && len.is_multiple_of(LANES) {
                    return x.cast();
                }
                let lanes = <T::Compute as Float>::Vec::<S>::LANES;
                let mut i = 0;
                while i + lanes <= len {
                    T::load(simd, x.add(i)).store(stage.as_mut_ptr().add(i));
                    i += lanes;
                }
                if i < len {
                    T::load_first(simd, x.add(i), len - i).store_first(stage.as_mut_ptr().add(i), len - i);
                }
            } else {
                for (i, slot) in stage[..len].iter_mut().enumerate() {
                    *slot = (*self.x.offset((start + i) as isize * self.step)).widen();
                }
            }
            let whole = len.next_multiple_of(LANES);
            for slot in &mut stage[len..whole] {
                *slot = pad;
            }
        }
        stage.as_ptr()
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
pub(super) struct RowOut<T> {
    pub y: *mut T,
    pub step: isize,
}

impl<T: FloatElem> RowOut<T> {
    /// Writes the staged elements `start..start + len`.
    ///
    /// # Safety
    /// The row is writable.
    #[inline(always)]
    pub unsafe fn put<S: Simd>(self, simd: S, start: usize, len: usize, stage: &Stage<T>) {
        // SAFETY: the caller's promise; the stage holds a block.
        unsafe {
            if self.step == 1 {
                let y = self.y.add(start);
                let lanes = <T::Compute as Float>::Vec::<S>::LANES;
                let mut i = 0;
                while i + lanes <= len {
                    T::store(simd, FloatVec::load(simd, stage.as_ptr().add(i)), y.add(i));
                    i += lanes;
                }
                if i < len {
                    T::store_first(
                        simd,
                        FloatVec::load_first(simd, stage.as_ptr().add(i), len - i),
                        y.add(i),
                        len - i,
                    );
                }
            } else {
                for (i, &value) in stage[..len].iter().enumerate() {
                    *self.y.offset((start + i) as isize * self.step) = T::narrow(value);
                }
            }
        }
    }
}

/// The most vectors that make up [`LANES`] lanes.
pub(super) const PARTS: usize = 8;

/// The vectors that make up [`LANES`] lanes at a level.
pub(super) const fn parts<V: FloatVec>() -> usize {
    assert!(LANES.is_multiple_of(V::LANES) && LANES / V::LANES <= PARTS);
    LANES / V::LANES
}

/// The lanes combined in halves.
#[inline(always)]
pub(super) fn fold<V: FloatVec>(parts: [V; PARTS], f: impl Fn(V::Elem, V::Elem) -> V::Elem) -> V::Elem {
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

/// The largest element of a row, NaN left aside; and the sum of `e^(x - largest)`, which NaN turns into NaN.
///
/// # Safety
/// The row is readable.
#[inline(always)]
pub(super) unsafe fn statistics<S: Simd, T: FloatElem>(
    simd: S,
    row: RowIn<T>,
    stage: &mut Stage<T>,
) -> (T::Compute, T::Compute) {
    type V<T, S> = <<T as FloatElem>::Compute as Float>::Vec<S>;
    let least = T::Compute::from_f64(f64::NEG_INFINITY);
    let mut best = [V::<T, S>::splat(simd, least); PARTS];
    let mut sums = [V::<T, S>::zero(simd); PARTS];
    // SAFETY: the caller's promise; blocks are filled up to whole lanes.
    unsafe {
        let mut start = 0;
        while start < row.n {
            let len = BLOCK.min(row.n - start);
            let x = row.fetch(simd, start, len, least, stage);
            let mut i = 0;
            while i < len {
                for (k, best) in best.iter_mut().enumerate().take(parts::<V<T, S>>()) {
                    *best = V::<T, S>::load(simd, x.add(i + k * V::<T, S>::LANES)).max(*best);
                }
                i += LANES;
            }
            start += len;
        }
        let best = fold(best, |a, b| if a > b { a } else { b });
        let shift = V::<T, S>::splat(simd, best);
        let mut start = 0;
        while start < row.n {
            let len = BLOCK.min(row.n - start);
            let x = row.fetch(simd, start, len, least, stage);
            let mut i = 0;
            while i < len {
                for (k, sum) in sums.iter_mut().enumerate().take(parts::<V<T, S>>()) {
                    *sum = *sum + exp(V::<T, S>::load(simd, x.add(i + k * V::<T, S>::LANES)) - shift);
                }
                i += LANES;
            }
            start += len;
        }
        (best, fold(sums, |a, b| a + b))
    }
}
