//! Reading and adding by index along one dimension.
//!
//! Every index is checked against the extent before anything is touched. Sums go in the order of the index, so
//! they are the same on any number of threads: only dimensions along which nothing meets are shared out.
use crate::elem::Elem;
use crate::nest::Nest;
use crate::operand::{In, Out, Shared};
use crate::{MAX_RANK, pool};
use std::sync::atomic::{AtomicUsize, Ordering};

/// An index outside of the dimension it points into: the first one in row-major order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadIndex {
    /// What the index was.
    pub value: i64,
}

/// Below so many elements by each, a second thread costs more than it brings.
const GRAIN: usize = 8 << 10;

/// `y[i, j, k] = x[i, index[i, j, k], k]` for `dim == 1`, and so on; `shape` is that of `index` and `y`.
///
/// # Safety
/// `index` and `y` must be valid for `shape`, `x` for `shape` with `extent` in place of `dim`; `y` overlaps neither.
pub unsafe fn gather<T: Copy + Send + Sync>(
    shape: &[usize],
    dim: usize,
    extent: usize,
    x: In<T>,
    index: In<i64>,
    y: Out<T>,
) -> Result<(), BadIndex> {
    let (along, x_rest) = split(x.strides, dim);
    let strides = [&x_rest[..shape.len()], index.strides, y.strides];
    let Some(nest) = Nest::ordered(shape, strides) else { return Ok(()) };
    let (rows, n, inner) = rows(nest);
    let (from, picks, to) = (Shared(x.ptr), Shared(index.ptr), Shared(y.ptr));
    let bad = FirstBad::new();
    pool::chunks(rows.count(), GRAIN.div_ceil(n), |range| {
        let mut row = range.start;
        rows.each_while(range, |[x, i, y]| {
            // SAFETY: the offsets stay inside the tensors; `x`'s only for checked indices.
            let fault = unsafe {
                let (i, y) = (picks.get().offset(i), to.get().offset(y));
                gather_row(n, inner, from.get(), x, (along, extent), i, y)
            };
            fault.inspect(|at| bad.note(row * n + at));
            row += 1;
            fault.is_none()
        });
    });
    // SAFETY: the position is one of `shape`.
    unsafe { bad.report(shape, index) }
}

/// One row of [`gather`]: the position of the first index that is out of bounds.
///
/// # Safety
/// As for [`gather`]; `base` is the offset into `x` of this row with all indices zero.
unsafe fn gather_row<T: Copy>(
    n: usize,
    [xs, is, ys]: [isize; 3],
    x: *const T,
    base: isize,
    (along, extent): (isize, usize),
    index: *const i64,
    y: *mut T,
) -> Option<usize> {
    // SAFETY (all blocks): in bounds as promised, once the index is checked.
    if is == 0 && n > 1 {
        // One index for the whole row, as with embeddings: a plain copy.
        // SAFETY: see above.
        let Some(pick) = checked(unsafe { *index }, extent) else { return Some(0) };
        // SAFETY: see above.
        let x = unsafe { x.offset(base + pick * along) };
        if (xs, ys) == (1, 1) {
            // SAFETY: see above.
            unsafe { x.copy_to_nonoverlapping(y, n) };
        } else {
            // SAFETY: see above.
            (0..n as isize).for_each(|k| unsafe { *y.offset(k * ys) = *x.offset(k * xs) });
        }
        return None;
    }
    for k in 0..n as isize {
        // SAFETY: see above.
        let Some(pick) = checked(unsafe { *index.offset(k * is) }, extent) else { return Some(k as usize) };
        // SAFETY: see above.
        unsafe { *y.offset(k * ys) = *x.offset(base + k * xs + pick * along) };
    }
    None
}

/// `y[i, index[i, j, k], k] += src[i, j, k]` for `dim == 1`, and so on; `shape` is that of `index` and `src`.
///
/// # Safety
/// `index` and `src` must be valid for `shape`, `y` for `shape` with `extent` in place of `dim`; `y` overlaps neither.
pub unsafe fn scatter_add<T: Elem>(
    shape: &[usize],
    dim: usize,
    extent: usize,
    index: In<i64>,
    src: In<T>,
    y: Out<T>,
) -> Result<(), BadIndex> {
    let (along, y_rest) = split(y.strides, dim);
    let strides = [&y_rest[..shape.len()], index.strides, src.strides];
    let (to, picks, from) = (Shared(y.ptr), Shared(index.ptr), Shared(src.ptr));
    // The longest of the other dimensions is shared out: there nothing meets.
    let lane = (0..shape.len()).filter(|&d| d != dim).max_by_key(|&d| shape[d]);
    let total: usize = shape.iter().product();
    let lanes = lane.map_or(1, |d| shape[d]);
    let bad = FirstBad::new();
    pool::chunks(lanes, GRAIN.div_ceil((total / lanes.max(1)).max(1)), |range| {
        let mut part = [0; MAX_RANK];
        let part = &mut part[..shape.len()];
        part.copy_from_slice(shape);
        let mut shift = [0; 3];
        if let Some(d) = lane {
            part[d] = range.len();
            shift = strides.map(|s| range.start as isize * s[d]);
        }
        let Some(nest) = Nest::ordered(part, strides) else { return };
        let (rows, n, inner) = rows(nest);
        let mut row = 0;
        rows.each_while(0..rows.count(), |[y, i, x]| {
            // SAFETY: the offsets stay inside the tensors; `y`'s only for checked indices.
            let fault = unsafe {
                let (i, x) = (picks.get().offset(i + shift[1]), from.get().offset(x + shift[2]));
                add_row(n, inner, to.get(), y + shift[0], (along, extent), i, x)
            };
            fault.inspect(|at| bad.note(position(row * n + at, part, shape, lane, range.start)));
            row += 1;
            fault.is_none()
        });
    });
    // SAFETY: the position is one of `shape`.
    unsafe { bad.report(shape, index) }
}

/// One row of [`scatter_add`]: the position of the first index that is out of bounds.
///
/// # Safety
/// As for [`scatter_add`]; `base` is the offset into `y` of this row with all indices zero.
unsafe fn add_row<T: Elem>(
    n: usize,
    [ys, is, xs]: [isize; 3],
    y: *mut T,
    base: isize,
    (along, extent): (isize, usize),
    index: *const i64,
    src: *const T,
) -> Option<usize> {
    // SAFETY (all blocks): in bounds as promised, once the index is checked.
    if is == 0 && n > 1 && ys != 0 {
        // SAFETY: see above.
        let Some(pick) = checked(unsafe { *index }, extent) else { return Some(0) };
        // SAFETY: see above.
        let y = unsafe { y.offset(base + pick * along) };
        if (xs, ys) == (1, 1) {
            // SAFETY: see above.
            (0..n).for_each(|k| unsafe { *y.add(k) = (*y.add(k)).plus(*src.add(k)) });
        } else {
            // SAFETY: see above.
            (0..n as isize).for_each(|k| unsafe {
                let y = y.offset(k * ys);
                *y = (*y).plus(*src.offset(k * xs));
            });
        }
        return None;
    }
    for k in 0..n as isize {
        // SAFETY: see above.
        let Some(pick) = checked(unsafe { *index.offset(k * is) }, extent) else { return Some(k as usize) };
        // SAFETY: see above.
        unsafe {
            let y = y.offset(base + k * ys + pick * along);
            *y = (*y).plus(*src.offset(k * xs));
        }
    }
    None
}

/// [`gather`] with one index for all of the other dimensions: `y[i, j, k] = x[i, index[j], k]` for `dim == 1`.
///
/// # Safety
/// `shape` is that of `y`; `index` holds `shape[dim]` values, `index_stride` apart. Else as for [`gather`].
pub unsafe fn index_select<T: Copy + Send + Sync>(
    shape: &[usize],
    dim: usize,
    extent: usize,
    x: In<T>,
    (index, index_stride): (*const i64, isize),
    y: Out<T>,
) -> Result<(), BadIndex> {
    let strides = repeated(dim, index_stride);
    // SAFETY: the index repeats along the other dimensions; the rest is promised by the caller.
    unsafe { gather(shape, dim, extent, x, In { ptr: index, strides: &strides[..shape.len()] }, y) }
}

/// [`scatter_add`] with one index for all of the other dimensions: `y[i, index[j], k] += src[i, j, k]` for `dim == 1`.
///
/// # Safety
/// `shape` is that of `src`; `index` holds `shape[dim]` values, `index_stride` apart. Else as for [`scatter_add`].
pub unsafe fn index_add<T: Elem>(
    shape: &[usize],
    dim: usize,
    extent: usize,
    (index, index_stride): (*const i64, isize),
    src: In<T>,
    y: Out<T>,
) -> Result<(), BadIndex> {
    let strides = repeated(dim, index_stride);
    // SAFETY: the index repeats along the other dimensions; the rest is promised by the caller.
    unsafe { scatter_add(shape, dim, extent, In { ptr: index, strides: &strides[..shape.len()] }, src, y) }
}

fn checked(index: i64, extent: usize) -> Option<isize> {
    ((index as u64) < extent as u64).then_some(index as isize)
}

/// The stride along `dim`, and the strides with that one made zero.
fn split(strides: &[isize], dim: usize) -> (isize, [isize; MAX_RANK]) {
    let mut rest = [0; MAX_RANK];
    rest[..strides.len()].copy_from_slice(strides);
    (std::mem::take(&mut rest[dim]), rest)
}

/// Strides of a 1-d tensor along `dim`, repeated along all others.
fn repeated(dim: usize, stride: isize) -> [isize; MAX_RANK] {
    let mut strides = [0; MAX_RANK];
    strides[dim] = stride;
    strides
}

/// Merges loops, order kept, and takes the innermost out.
fn rows(mut nest: Nest<3>) -> (Nest<3>, usize, [isize; 3]) {
    nest.merge();
    let (n, inner) = nest.take_inner();
    (nest, n, inner)
}

/// The row-major position in `shape` of position `at` in the part of it that begins at `first` along `lane`.
fn position(mut at: usize, part: &[usize], shape: &[usize], lane: Option<usize>, first: usize) -> usize {
    let (mut whole, mut step) = (0, 1);
    for d in (0..shape.len()).rev() {
        let i = at % part[d] + if lane == Some(d) { first } else { 0 };
        at /= part[d];
        whole += i * step;
        step *= shape[d];
    }
    whole
}

/// The first bad position any thread has met.
struct FirstBad(AtomicUsize);

impl FirstBad {
    fn new() -> Self {
        Self(AtomicUsize::new(usize::MAX))
    }

    fn note(&self, position: usize) {
        self.0.fetch_min(position, Ordering::Relaxed);
    }

    /// # Safety
    /// A position noted must be one of `shape`, and `index` be valid for it.
    unsafe fn report(self, shape: &[usize], index: In<i64>) -> Result<(), BadIndex> {
        let mut rest = self.0.into_inner();
        if rest == usize::MAX {
            return Ok(());
        }
        let mut offset = 0;
        for (&extent, &stride) in shape.iter().zip(index.strides).rev() {
            offset += (rest % extent) as isize * stride;
            rest /= extent;
        }
        // SAFETY: promised by the caller.
        Err(BadIndex { value: unsafe { *index.ptr.offset(offset) } })
    }
}
