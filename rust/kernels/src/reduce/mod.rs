//! Reductions. Which elements are combined in which order is fixed by how many there are: see `lanes.rs`.
mod arg;
mod lanes;
mod ops;
#[cfg(test)]
mod tests;

use crate::MAX_RANK;
use crate::nest::Nest;
use crate::operand::{Out, Shared};
use crate::pool;
use crate::simd::{Level, dispatch, dispatch_unchecked, level};
use lanes::{CHUNK, Columns, FinishColumns, LANES, Lanes, Row, Rows, SUPER, Strip, finish, strip_width};
use std::mem::MaybeUninit;

pub use arg::{arg_reduce, arg_workspace};
pub use ops::{Accum, ArgMax, ArgMin, ArgReduction, Max, Min, Prod, ReduceElem, Reduction, Sum};

/// Elements a thread should have at least.
const GRAIN: usize = 32 << 10;

fn numel(shape: &[usize]) -> usize {
    shape.iter().product()
}

/// The bytes of scratch that [`reduce`] needs; no alignment is asked of them.
pub fn workspace<T: ReduceElem>(outer: &[usize], inner: &[usize]) -> usize {
    match numel(inner).div_ceil(SUPER) {
        0 | 1 => 0,
        blocks => numel(outer) * blocks * size_of::<T::Acc>(),
    }
}

/// `y[i] = r(x[i, :])`: `outer` are the dimensions kept, `inner` those reduced, in their logical order. Nothing reduced
/// gives the reduction's identity.
///
/// # Safety
/// `x` is valid for both shapes and its strides, `y` for `outer`, and they do not overlap; `scratch` has as many bytes
/// as [`workspace`] says. The ranks add up to at most [`MAX_RANK`].
#[allow(clippy::too_many_arguments)]
pub unsafe fn reduce<T: ReduceElem, R: Reduction>(
    r: R,
    outer: &[usize],
    inner: &[usize],
    x: *const T,
    x_outer: &[isize],
    x_inner: &[isize],
    y: Out<T>,
    scratch: *mut u8,
) {
    let n = numel(inner);
    if n <= SUPER && outer.iter().all(|&m| m == 1) && contiguous(inner, x_inner) {
        // One short row, as losses are: no loops need to be found.
        dispatch(Rows { r, x, n, count: 1, steps: [0; 2], y: y.ptr });
        return;
    }
    let Some(mut kept) = Nest::sorted(outer, [x_outer, y.strides], 1) else { return };
    let blocks = n.div_ceil(SUPER).max(1);
    // Where there is nothing to reduce, no strides matter; one element in no order will do.
    let none = [0; MAX_RANK];
    let reduced = match Nest::ordered(inner, [x_inner]) {
        Some(mut nest) => {
            nest.merge();
            nest
        }
        None => Nest::ordered(&[], [&none[..0]]).expect("a scalar has one element"),
    };
    let strip = strip(&mut kept, &reduced, n);
    if strip.is_none() && blocks == 1 && is_row(&reduced) {
        // SAFETY: the caller's promise.
        return unsafe { rows(r, x, y.ptr, kept, n) };
    }
    let job = Job {
        r,
        x,
        y: y.ptr,
        kept,
        reduced,
        n,
        blocks,
        strip,
        partials: scratch.cast::<T::Acc>(),
        level: level(),
    };
    // SAFETY: the caller's promise.
    unsafe { job.run() }
}

/// Whether the elements neighbour each other in their order.
fn contiguous(shape: &[usize], strides: &[isize]) -> bool {
    let mut step = 1;
    shape.iter().zip(strides).rev().all(|(&n, &s)| {
        let fits = n == 1 || s == step;
        step *= n as isize;
        fits
    })
}

/// The same of merged loops.
fn is_row(reduced: &Nest<1>) -> bool {
    reduced.rank() == 0 || (reduced.rank() == 1 && reduced.strides(0)[0] == 1)
}

/// Contiguous rows of one block each.
///
/// # Safety
/// As for [`reduce`].
unsafe fn rows<T: ReduceElem, R: Reduction>(r: R, x: *const T, y: *mut T, mut kept: Nest<2>, n: usize) {
    let (length, steps) = kept.take_inner();
    let (x, y, level) = (Shared(x), Shared(y), level());
    pool::chunks(kept.count() * length, GRAIN / n.clamp(LANES, GRAIN), |range| {
        let mut first = range.start % length;
        let mut left = range.len();
        kept.each_while(range.start / length..kept.count(), |[at_x, at_y]| {
            let count = left.min(length - first);
            let skip = first as isize;
            // SAFETY: the offsets lie inside the operands; the level was chosen by `level()`.
            unsafe {
                let x = x.get().offset(at_x + skip * steps[0]);
                let y = y.get().offset(at_y + skip * steps[1]);
                dispatch_unchecked(level, Rows { r, x, n, count, steps, y });
            }
            (left, first) = (left - count, 0);
            left > 0
        });
    });
}

/// The loop over outputs that neighbour each other in `x`, where it is better to go along it: its length and their step
/// in `y`.
fn strip(kept: &mut Nest<2>, reduced: &Nest<1>, n: usize) -> Option<(usize, isize)> {
    let rows = reduced.rank() == 1 && reduced.strides(0)[0] == 1 && n > 1;
    if rows {
        return None;
    }
    let d = (0..kept.rank()).find(|&d| kept.strides(d)[0] == 1 && kept.extent(d) >= 4)?;
    let (length, [_, step]) = kept.take(d);
    Some((length, step))
}

struct Job<T: ReduceElem, R> {
    r: R,
    x: *const T,
    y: *mut T,
    /// Loops over outputs, without the strip.
    kept: Nest<2>,
    reduced: Nest<1>,
    n: usize,
    blocks: usize,
    strip: Option<(usize, isize)>,
    /// The results of the blocks, where there are several: `[output, block]`.
    partials: *mut T::Acc,
    level: Level,
}

impl<T: ReduceElem, R: Reduction> Job<T, R> {
    /// # Safety
    /// As for [`reduce`].
    unsafe fn run(&self) {
        let (length, step) = self.strip.unwrap_or((1, 0));
        let outputs = self.kept.count();
        // Narrower strips where there is little else to share out; that changes no bits.
        let mut width = strip_width::<T::Acc>();
        let large = outputs * length * self.n >= 2 * GRAIN;
        while large && width > 64 && outputs * self.blocks * length.div_ceil(width) < 16 {
            width /= 2;
        }
        let strips = length.div_ceil(width);
        let cost = self.n.clamp(LANES, SUPER) * length.min(width);
        let job = Shared(self as *const Self);
        // The blocks of one output are neighbours in the order of work, as they are in memory: one stretch a thread is one
        // stream.
        let units = outputs * strips * self.blocks;
        let grain = GRAIN.div_ceil(cost).max(units / pool::num_threads());
        pool::chunks(units, grain, |range| {
            // SAFETY: the job outlives the region.
            let job = unsafe { &*job.get() };
            let (per_output, first) = (strips * job.blocks, range.start);
            let mut output = first / per_output;
            let mut unit = first;
            job.kept.each(output..range.end.div_ceil(per_output), |[x, y]| {
                let end = range.end.min((output + 1) * per_output);
                while unit < end {
                    let (s, block) = (unit % per_output / job.blocks, unit % job.blocks);
                    let first = s * width;
                    let place = Place { output: output * length + first, block, y };
                    // SAFETY: the offsets lie inside the operands.
                    unsafe {
                        if job.strip.is_some() {
                            job.columns(place, x, first, width.min(length - first), step);
                        } else {
                            let value = job.row(x, block);
                            job.put(place, 0, 0, value);
                        }
                    }
                    unit += 1;
                }
                output += 1;
            });
        });
        if self.blocks > 1 {
            // SAFETY: the caller's promise; all partials are written.
            unsafe { self.combine(length, step) }
        }
    }

    /// The blocks of every output, in pairs.
    ///
    /// # Safety
    /// As for [`reduce`], and the partials are written.
    unsafe fn combine(&self, length: usize, y_step: isize) {
        let mut output = 0;
        self.kept.each(0..self.kept.count(), |[_, y]| {
            for i in 0..length {
                // SAFETY: as promised.
                unsafe {
                    let partials = self.partials.add((output + i) * self.blocks);
                    let mut step = 1;
                    while step < self.blocks {
                        for block in (0..self.blocks - step).step_by(2 * step) {
                            let at = partials.add(block);
                            let value = self.r.combine(at.read_unaligned(), at.add(step).read_unaligned());
                            at.write_unaligned(value);
                        }
                        step *= 2;
                    }
                    let value = partials.read_unaligned();
                    *self.y.offset(y + i as isize * y_step) = T::narrow(value);
                }
            }
            output += length;
        });
    }

    /// Keeps the result of a block of an output `i` beyond the place.
    ///
    /// # Safety
    /// The output exists, and nobody else writes the same block.
    #[inline(always)]
    unsafe fn put(&self, place: Place, i: usize, y: isize, value: T::Acc) {
        // SAFETY: the caller's promise.
        unsafe {
            if self.blocks == 1 {
                *self.y.offset(place.y + y) = T::narrow(value);
            } else {
                self.partials.add((place.output + i) * self.blocks + place.block).write_unaligned(value);
            }
        }
    }

    /// The elements of a block.
    fn range(&self, block: usize) -> std::ops::Range<usize> {
        block * SUPER..self.n.min((block + 1) * SUPER)
    }

    /// One block of one output.
    ///
    /// # Safety
    /// As for [`reduce`]; `x` is the output's offset.
    unsafe fn row(&self, x: isize, block: usize) -> T::Acc {
        let range = self.range(block);
        let mut lanes: Lanes<T::Acc> = [self.r.identity(); LANES];
        let single = match self.reduced.rank() {
            0 => Some(1),
            1 => Some(self.reduced.strides(0)[0]),
            _ => None,
        };
        // SAFETY: the offsets lie inside the operand; the level was chosen by `level()`.
        unsafe {
            if single == Some(1) {
                let x = self.x.offset(x + range.start as isize);
                dispatch_unchecked(self.level, Row { r: self.r, x, n: range.len(), lanes: &mut lanes });
                return finish(self.r, lanes);
            }
            let mut buffer = [MaybeUninit::<T>::uninit(); CHUNK];
            let mut start = range.start;
            while start < range.end {
                let len = CHUNK.min(range.end - start);
                if let Some(step) = single {
                    for (i, slot) in buffer[..len].iter_mut().enumerate() {
                        slot.write(*self.x.offset(x + (start + i) as isize * step));
                    }
                } else {
                    let mut i = 0;
                    self.reduced.each(start..start + len, |[at]| {
                        buffer[i].write(*self.x.offset(x + at));
                        i += 1;
                    });
                }
                let row = Row { r: self.r, x: buffer.as_ptr().cast::<T>(), n: len, lanes: &mut lanes };
                dispatch_unchecked(self.level, row);
                start += len;
            }
        }
        finish(self.r, lanes)
    }

    /// One block of `width` outputs that neighbour each other in `x`.
    ///
    /// # Safety
    /// As for [`reduce`]; `x` and the place are the offsets of the strip's loop, `first` the first output in it.
    unsafe fn columns(&self, place: Place, x: isize, first: usize, width: usize, step: isize) {
        let range = self.range(place.block);
        let mut total: Strip<T::Acc> = [MaybeUninit::uninit(); LANES * 256];
        let mut lanes: Strip<T::Acc> = [MaybeUninit::uninit(); LANES * 256];
        let mut offsets = [MaybeUninit::<isize>::uninit(); CHUNK];
        let mut start = range.start;
        loop {
            let len = CHUNK.min(range.end - start);
            let offsets = self.offsets(start, len, &mut offsets);
            // SAFETY: the offsets lie inside the operand; the level was chosen by `level()`.
            unsafe {
                let x = self.x.offset(x + first as isize);
                let (lanes, total) =
                    if start == range.start { (&mut total, None) } else { (&mut lanes, Some(&mut total)) };
                dispatch_unchecked(self.level, Columns { r: self.r, x, offsets, width, lanes, total });
            }
            start += len;
            if start >= range.end {
                break;
            }
        }
        // SAFETY: the level was chosen by `level()`; the lanes are written.
        unsafe {
            dispatch_unchecked(self.level, FinishColumns { r: self.r, width, lanes: &mut total });
            for (i, value) in total[..width].iter().enumerate() {
                self.put(place, i, (first + i) as isize * step, value.assume_init());
            }
        }
    }

    /// Where the elements `start..start + len` of an output lie.
    fn offsets<'a>(
        &self,
        start: usize,
        len: usize,
        room: &'a mut [MaybeUninit<isize>; CHUNK],
    ) -> &'a [isize] {
        if self.reduced.rank() <= 1 {
            let row = self.reduced.strides(0)[0];
            for (i, slot) in room[..len].iter_mut().enumerate() {
                slot.write((start + i) as isize * row);
            }
        } else {
            let mut slots = room.iter_mut();
            self.reduced.each(start..start + len, |[at]| {
                if let Some(slot) = slots.next() {
                    slot.write(at);
                }
            });
        }
        // SAFETY: `len` slots were written.
        unsafe { std::slice::from_raw_parts(room.as_ptr().cast(), len) }
    }
}

/// Where a result goes.
#[derive(Clone, Copy)]
struct Place {
    /// The output's number.
    output: usize,
    block: usize,
    /// The offset in `y` of the first output of its strip's loop.
    y: isize,
}
