//! A product and the sums of `a`'s rows beside it, as a weight's gradient and its bias's need: whoever has multiplied some
//! rows adds them up, while they are near.
use super::{Gemm, GemmElem, multiply_and};
use crate::operand::{In, Out, Shared};
use crate::reduce::{self, ReduceElem};
use crate::{formula, map};

/// The bytes of room [`gemm_and_row_sums`] needs for the sums.
pub fn row_sums_workspace<T: GemmElem + ReduceElem>(m: usize, k: usize) -> usize {
    m.saturating_mul(size_of::<T>()).saturating_add(reduce::workspace::<T>(&[m], &[k]))
}

/// Computes the product, and the sum of each row of `a` in the order of [`reduce()`](reduce::reduce()); where `beta` is not
/// zero, it is added to what `sums` held.
///
/// # Safety
/// As for [`gemm`](super::gemm()); `sums` has one dimension of `m` elements, and overlaps nothing else; `room` holds
/// [`row_sums_workspace`] bytes, aligned to an element.
pub unsafe fn gemm_and_row_sums<T: GemmElem + ReduceElem>(
    problem: &Gemm<T>,
    sums: Out<T>,
    scratch: *mut u8,
    room: *mut u8,
) {
    let Gemm { m, k, a, a_rs, a_cs, beta, .. } = *problem;
    let step = sums.strides[0];
    let (a, sums, waiting) = (Shared(a), Shared(sums.ptr), Shared(room.cast::<T>()));
    let partials = Shared(room.wrapping_add(m * size_of::<T>()));
    let add_up = |rows: std::ops::Range<usize>| {
        let (first, count) = (rows.start, [rows.len()]);
        let a = a.get().wrapping_offset(first as isize * a_rs);
        let sums = Out { ptr: sums.get().wrapping_offset(first as isize * step), strides: &[step] };
        let waiting = Out { ptr: waiting.get().wrapping_add(first), strides: &[1] };
        let partials = partials.get().wrapping_add(reduce::workspace::<T>(&[first], &[k]));
        let adds = beta != T::Compute::default();
        // SAFETY: the caller's promise; each row has its own room.
        unsafe {
            let to = if adds { waiting } else { sums };
            reduce::reduce::<T, _>(reduce::Sum, &count, &[k], a, &[a_rs], &[a_cs], to, partials);
            if adds {
                let [old, new] =
                    [sums, waiting].map(|out| In { ptr: out.ptr.cast_const(), strides: out.strides });
                map::float::<T, _, 2>(formula::Add, &count, [old, new], sums);
            }
        }
    };
    // SAFETY: the caller's promise.
    if !unsafe { multiply_and(problem, scratch, Some(&add_up)) } {
        add_up(0..m);
    }
}
