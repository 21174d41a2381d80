//! Where the largest and the smallest elements are.
use super::lanes::{LANES, Lanes, Row, SUPER, finish};
use super::ops::{Accum, ArgReduction, ReduceElem, Reduction};
use super::{GRAIN, numel};
use crate::nest::Nest;
use crate::operand::{Out, Shared};
use crate::pool;
use crate::simd::{Kernel, Level, Simd, dispatch_unchecked, level};

/// The bytes of scratch that [`arg_reduce`] needs; no alignment is asked of them.
pub fn arg_workspace<T: ReduceElem>(outer: &[usize], inner: &[usize]) -> usize {
    match numel(inner).div_ceil(SUPER) {
        0 | 1 => 0,
        blocks => numel(outer) * blocks * size_of::<(T::Acc, i64)>(),
    }
}

/// `y[i]` is the position, in the logical order of `inner`, of the first element of `x[i, :]` that wins. With nothing to
/// choose from, 0.
///
/// # Safety
/// As for [`reduce`](super::reduce), with the scratch of [`arg_workspace`].
#[allow(clippy::too_many_arguments)]
pub unsafe fn arg_reduce<T: ReduceElem, R: ArgReduction>(
    r: R,
    outer: &[usize],
    inner: &[usize],
    x: *const T,
    x_outer: &[isize],
    x_inner: &[isize],
    y: Out<i64>,
    scratch: *mut u8,
) {
    let Some(kept) = Nest::sorted(outer, [x_outer, y.strides], 1) else { return };
    let n = numel(inner);
    let blocks = n.div_ceil(SUPER).max(1);
    let reduced = Nest::ordered(inner, [x_inner]).map(|mut nest| {
        nest.merge();
        nest
    });
    let (from, to, partials) = (Shared(x), Shared(y.ptr), Shared(scratch.cast::<(T::Acc, i64)>()));
    let level = level();
    let outputs = kept.count();
    pool::chunks(outputs * blocks, GRAIN.div_ceil(n.clamp(LANES, SUPER)), |range| {
        for unit in range {
            let (output, block) = (unit / blocks, unit % blocks);
            kept.each(output..output + 1, |[x, y]| {
                let Some(reduced) = &reduced else {
                    // SAFETY: the offset lies inside the output.
                    unsafe { *to.get().offset(y) = 0 };
                    return;
                };
                let elements = block * SUPER..n.min((block + 1) * SUPER);
                // SAFETY: the offsets lie inside the operands; every unit has its own place.
                unsafe {
                    let (value, at) = winner(r, from.get().offset(x), reduced, elements, level);
                    if blocks == 1 {
                        *to.get().offset(y) = at;
                    } else {
                        partials.get().add(unit).write_unaligned((value, at));
                    }
                }
            });
        }
    });
    if blocks > 1 {
        let mut next = 0;
        kept.each(0..outputs, |[_, y]| {
            // SAFETY: all partials are written.
            unsafe {
                let (mut best, mut at) = partials.get().add(next).read_unaligned();
                for block in 1..blocks {
                    let (value, place) = partials.get().add(next + block).read_unaligned();
                    if r.beats(value, best) {
                        (best, at) = (value, place);
                    }
                }
                *to.get().offset(y) = at;
            }
            next += blocks;
        });
    }
}

/// Elements looked at together.
const BLOCK: usize = 512;

/// The winner among a range of elements, and its position.
///
/// # Safety
/// The range lies inside the loops, and those inside the operand.
unsafe fn winner<T: ReduceElem, R: ArgReduction>(
    r: R,
    x: *const T,
    reduced: &Nest<1>,
    range: std::ops::Range<usize>,
    level: Level,
) -> (T::Acc, i64) {
    let plain = reduced.rank() == 0 || (reduced.rank() == 1 && reduced.strides(0)[0] == 1);
    let mut buffer = [T::narrow(r.value().identity()); BLOCK];
    let mut best = None;
    let mut start = range.start;
    while start < range.end {
        let len = BLOCK.min(range.end - start);
        // SAFETY: the caller's promise; the level was chosen by `level()`.
        let found = unsafe {
            let block = if plain {
                x.add(start)
            } else {
                let mut slots = buffer.iter_mut();
                reduced.each(start..start + len, |[at]| {
                    if let Some(slot) = slots.next() {
                        *slot = *x.offset(at);
                    }
                });
                buffer.as_ptr()
            };
            dispatch_unchecked(level, First { r, x: block, n: len, best: best.map(|(value, _)| value) })
        };
        if let Some((value, at)) = found {
            best = Some((value, (start + at) as i64));
        }
        start += len;
    }
    best.unwrap_or((r.value().identity(), range.start as i64))
}

/// The first winner among contiguous elements, if it beats the best so far.
struct First<T: ReduceElem, R> {
    r: R,
    x: *const T,
    n: usize,
    best: Option<T::Acc>,
}

impl<T: ReduceElem, R: ArgReduction> Kernel for First<T, R> {
    type Output = Option<(T::Acc, usize)>;
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Self::Output {
        let Self { r, x, n, best } = self;
        let mut lanes: Lanes<T::Acc> = [r.value().identity(); LANES];
        Row { r: r.value(), x, n, lanes: &mut lanes }.run(simd);
        let value = finish(r.value(), lanes);
        if let Some(best) = best
            && !r.beats(value, best)
        {
            return None;
        }
        for i in 0..n {
            // SAFETY: n elements lie at x.
            let this = unsafe { *x.add(i) }.widen();
            if this == value || (this.is_nan() && value.is_nan()) {
                return Some((value, i));
            }
        }
        None
    }
}
