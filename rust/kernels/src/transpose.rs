//! Transposing small blocks in registers.
use crate::simd::{Level, Simd};

/// So many bytes along the source's lines are dealt with at a time: whole cache lines, so that each is touched once, and some
/// neighbours, for which memory answers hardly later than for one.
const ALONG: usize = 256;
/// As many where the target's lines would share a few sets of the first cache.
const ALONG_FEW_SETS: usize = 64;

/// Lines a multiple of so many bytes apart share one set of the first cache, which holds eight of them or twelve.
pub(crate) const COLLISION_BYTES: usize = 4096;
/// So many source lines that collide are followed along their whole length before the next, others all side by side.
const COLLIDING_LINES: usize = 16;

/// The edge of what is turned in the widest vectors.
pub(crate) const SQUARE: usize = 16;

/// `to[k][j] = from[j][k]` for `j < n` and `k < depth`; the strides are those of the first index.
///
/// Up to three elements a line beyond `n` are overwritten with something.
///
/// # Safety
/// `from` is valid; `to` has room for `n` rounded up to a multiple of 4 in each line, and does not overlap `from`.
#[inline(always)]
pub(crate) unsafe fn panel<S: Simd, T: Copy>(
    simd: S,
    n: usize,
    depth: usize,
    from: *const T,
    from_s: isize,
    to: *mut T,
    to_s: usize,
) {
    // SAFETY: the caller's promise.
    unsafe { panel_of(simd, n, depth, |j| from.wrapping_offset(j as isize * from_s), to, to_s) }
}

/// The same, `from(j)` being where line `j` begins.
///
/// # Safety
/// As for [`panel`].
#[inline(always)]
pub(crate) unsafe fn panel_of<S: Simd, T: Copy>(
    simd: S,
    n: usize,
    depth: usize,
    from: impl Fn(usize) -> *const T,
    to: *mut T,
    to_s: usize,
) {
    let edge = edge::<T>();
    if depth < edge {
        for k in 0..depth {
            for j in 0..n {
                // SAFETY: inside both.
                unsafe { *to.add(k * to_s + j) = *from(j).add(k) };
            }
        }
        return;
    }
    let few_sets = are_in_few_sets::<T>(to_s);
    let step = if few_sets { ALONG_FEW_SETS } else { ALONG } / size_of::<T>();
    // Where lines share sets of the first cache none stays there for a second visit.
    let whole_lines = few_sets && can_turn::<T>(S::LEVEL);
    let apart = (from(1) as usize).wrapping_sub(from(0) as usize);
    let together = if apart.is_multiple_of(COLLISION_BYTES) { COLLIDING_LINES } else { n.max(1) };
    for first in (0..n).step_by(together) {
        let last = n.min(first + together);
        for k in (0..depth).step_by(step) {
            let end = depth.min(k + step);
            let mut j = first;
            while j < last {
                let row = |r: usize| from((j + r).min(n - 1));
                if whole_lines && last - j >= 16 && end - k == 16 {
                    // SAFETY: rows and columns are inside the source, the target has room.
                    unsafe {
                        sixteen(simd, std::array::from_fn(|r| row(r).add(k)), to.add(k * to_s + j), to_s)
                    };
                    j += 16;
                    continue;
                }
                let wide = edge == 8 && last - j > 4;
                for i in (k..end).step_by(edge) {
                    // The last block reaches back over what is done already.
                    let i = i.min(depth - edge);
                    // SAFETY: rows are clamped to the source, columns are inside, the target has room.
                    unsafe {
                        let to = to.add(i * to_s + j);
                        if wide {
                            eight(simd, std::array::from_fn(|r| row(r).add(i)), to, to_s);
                        } else {
                            four(simd, std::array::from_fn(|r| row(r).add(i)), to, to_s);
                        }
                    }
                }
                j += if wide { 8 } else { 4 };
            }
        }
    }
}

/// `to[k][j] = from[j][k]` for `j < n` and `k < depth`, and nothing beyond; the strides are those of the first index.
///
/// # Safety
/// Both matrices are valid and do not overlap.
#[inline(always)]
pub(crate) unsafe fn exact<S: Simd, T: Copy>(
    simd: S,
    n: usize,
    depth: usize,
    from: *const T,
    from_s: isize,
    to: *mut T,
    to_s: isize,
) {
    // What blocks cannot take without writing beyond is left to the plain loop.
    let whole = if to_s < 0 { 0 } else { n / 4 * 4 };
    // SAFETY: the caller's promise.
    unsafe {
        if whole > 0 {
            panel(simd, whole, depth, from, from_s, to, to_s as usize);
        }
        for j in whole..n {
            for k in 0..depth as isize {
                *to.offset(k * to_s).add(j) = *from.offset(j as isize * from_s).add(k as usize);
            }
        }
    }
}

/// The same as [`exact`] in squares of sixteen, where [`has_squares`]: a cache line of the source's at a time, through all of them.
///
/// # Safety
/// As for [`exact`].
#[inline(always)]
pub(crate) unsafe fn squares<S: Simd, T: Copy>(
    simd: S,
    n: usize,
    depth: usize,
    from: *const T,
    from_s: isize,
    to: *mut T,
    to_s: isize,
) {
    let (whole, end) = (n / SQUARE * SQUARE, depth / SQUARE * SQUARE);
    let source = |j: usize, k: usize| from.wrapping_offset(j as isize * from_s).wrapping_add(k);
    let target = |j: usize, k: usize| to.wrapping_offset(k as isize * to_s).wrapping_add(j);
    // SAFETY: the caller's promise.
    unsafe {
        for k in (0..end).step_by(SQUARE) {
            for j in (0..whole).step_by(SQUARE) {
                let rows = std::array::from_fn(|r| source(j + r, k));
                sixteen(simd, rows, target(j, k), to_s as usize);
            }
            exact(simd, n - whole, SQUARE, source(whole, k), from_s, target(whole, k), to_s);
        }
        exact(simd, n, depth - end, source(0, end), from_s, target(0, end), to_s);
    }
}

/// Whether there are [`squares`] at a level, and lines `to_s` apart do not share few sets of the first cache.
pub(crate) fn has_squares<T>(level: Level, to_s: isize) -> bool {
    can_turn::<T>(level) && to_s > 0 && !are_in_few_sets::<T>(to_s as usize)
}

#[inline(always)]
fn are_in_few_sets<T>(to_s: usize) -> bool {
    (to_s * size_of::<T>()).is_multiple_of(1024)
}

/// How many columns of the source a block takes.
pub(crate) const fn edge<T>() -> usize {
    if size_of::<T>() == 8 { 4 } else { 8 }
}

/// Whether the level has the 256-bit shuffles.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn has_avx<S: Simd>() -> bool {
    matches!(S::LEVEL, Level::Avx2 | Level::Avx512)
}

/// Whether [`sixteen`] and [`turn`] can be used: the level has the 512-bit shuffles, and elements four bytes.
#[inline(always)]
pub(crate) fn can_turn<T>(level: Level) -> bool {
    level == Level::Avx512 && size_of::<T>() == 4
}

/// The columns of sixteen lines of sixteen, in vectors.
///
/// # Safety
/// [`can_turn`].
#[inline(always)]
pub(crate) unsafe fn turn<V: Copy>(lines: [V; SQUARE]) -> [V; SQUARE] {
    #[cfg(target_arch = "x86_64")]
    if size_of::<V>() == 64 {
        // SAFETY: the caller's promise: they are vectors of 512 bits.
        return unsafe { std::mem::transmute_copy(&avx::turn(std::mem::transmute_copy(&lines))) };
    }
    lines
}

/// Sixteen rows of sixteen: whole cache lines where they begin with one.
///
/// # Safety
/// Sixteen elements are readable at each of `rows`, and writable at each line of `to`; [`can_turn`].
#[inline(always)]
unsafe fn sixteen<S: Simd, T: Copy>(_: S, rows: [*const T; 16], to: *mut T, to_s: usize) {
    debug_assert!(can_turn::<T>(S::LEVEL));
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller's promise.
    unsafe {
        avx::sixteen(rows.map(|row| row.cast()), to.cast(), to_s)
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (rows, to, to_s);
}

/// Eight rows of eight.
///
/// # Safety
/// Eight elements are readable at each of `rows`, and writable at each line of `to`.
#[inline(always)]
pub(crate) unsafe fn eight<S: Simd, T: Copy>(_: S, rows: [*const T; 8], to: *mut T, to_s: usize) {
    #[cfg(target_arch = "x86_64")]
    if has_avx::<S>() && size_of::<T>() == 4 {
        // SAFETY: the token proves AVX; the caller's promise.
        return unsafe { avx::eight(rows.map(|row| row.cast()), to.cast(), to_s) };
    }
    // SAFETY: the caller's promise.
    unsafe { plain::<T, 8, 8>(rows, to, to_s) }
}

/// Four rows of [`edge`].
///
/// # Safety
/// As many elements are readable at each of `rows`, and four are writable at each line of `to`.
#[inline(always)]
pub(crate) unsafe fn four<S: Simd, T: Copy>(_: S, rows: [*const T; 4], to: *mut T, to_s: usize) {
    // SAFETY: the token proves AVX; the caller's promise.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        if has_avx::<S>() {
            match size_of::<T>() {
                4 => return avx::four(rows.map(|row| row.cast()), to.cast(), to_s),
                8 => return avx::four_long(rows.map(|row| row.cast()), to.cast(), to_s),
                _ => {}
            }
        }
        if edge::<T>() == 4 { plain::<T, 4, 4>(rows, to, to_s) } else { plain::<T, 4, 8>(rows, to, to_s) }
    }
}

/// # Safety
/// `C` elements are readable at each of `rows`, and `R` writable at each line of `to`.
#[inline(always)]
unsafe fn plain<T: Copy, const R: usize, const C: usize>(rows: [*const T; R], to: *mut T, to_s: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        // All is read before anything is written, so that it can happen in registers.
        let lines: [[T; C]; R] = std::array::from_fn(|r| rows[r].cast::<[T; C]>().read());
        let columns: [[T; R]; C] = std::array::from_fn(|c| std::array::from_fn(|r| lines[r][c]));
        for (c, column) in columns.into_iter().enumerate() {
            to.add(c * to_s).cast::<[T; R]>().write(column);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx {
    use std::arch::x86_64::*;

    /// Four columns out of eight rows: rows 0 to 3 in the low halves, 4 to 7 in the high ones.
    #[inline(always)]
    unsafe fn columns(a: [__m256; 4]) -> [__m256; 4] {
        // SAFETY: the caller's level has AVX.
        unsafe {
            let (t0, t1) = (_mm256_unpacklo_ps(a[0], a[1]), _mm256_unpackhi_ps(a[0], a[1]));
            let (t2, t3) = (_mm256_unpacklo_ps(a[2], a[3]), _mm256_unpackhi_ps(a[2], a[3]));
            [
                _mm256_shuffle_ps::<0x44>(t0, t2),
                _mm256_shuffle_ps::<0xee>(t0, t2),
                _mm256_shuffle_ps::<0x44>(t1, t3),
                _mm256_shuffle_ps::<0xee>(t1, t3),
            ]
        }
    }

    /// # Safety
    /// The machine has AVX-512; see the caller.
    #[inline(always)]
    pub unsafe fn sixteen(rows: [*const f32; 16], to: *mut f32, to_s: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            for (c, column) in turn(rows.map(|row| _mm512_loadu_ps(row))).into_iter().enumerate() {
                _mm512_storeu_ps(to.add(c * to_s), column);
            }
        }
    }

    /// The columns of sixteen lines.
    ///
    /// # Safety
    /// The machine has AVX-512.
    #[inline(always)]
    pub unsafe fn turn(mut lines: [__m512; 16]) -> [__m512; 16] {
        // SAFETY: the caller's promise.
        unsafe {
            // Within four lines each: quarter q of line c then holds column 4 q + c of the four.
            for four in lines.chunks_exact_mut(4) {
                let (t0, t1) = (_mm512_unpacklo_ps(four[0], four[1]), _mm512_unpackhi_ps(four[0], four[1]));
                let (t2, t3) = (_mm512_unpacklo_ps(four[2], four[3]), _mm512_unpackhi_ps(four[2], four[3]));
                four[0] = _mm512_shuffle_ps::<0x44>(t0, t2);
                four[1] = _mm512_shuffle_ps::<0xee>(t0, t2);
                four[2] = _mm512_shuffle_ps::<0x44>(t1, t3);
                four[3] = _mm512_shuffle_ps::<0xee>(t1, t3);
            }
            let mut columns = lines;
            for c in 0..4 {
                let [a, b, d, e] = [lines[c], lines[4 + c], lines[8 + c], lines[12 + c]];
                // Quarters 0 and 2, 1 and 3 of two lines each.
                let (even, odd) = (_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0xdd>(a, b));
                let (even2, odd2) = (_mm512_shuffle_f32x4::<0x88>(d, e), _mm512_shuffle_f32x4::<0xdd>(d, e));
                columns[c] = _mm512_shuffle_f32x4::<0x88>(even, even2);
                columns[4 + c] = _mm512_shuffle_f32x4::<0x88>(odd, odd2);
                columns[8 + c] = _mm512_shuffle_f32x4::<0xdd>(even, even2);
                columns[12 + c] = _mm512_shuffle_f32x4::<0xdd>(odd, odd2);
            }
            columns
        }
    }

    /// # Safety
    /// The machine has AVX; see the caller.
    #[inline(always)]
    pub unsafe fn eight(rows: [*const f32; 8], to: *mut f32, to_s: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            for half in 0..2 {
                let mut a = [_mm256_setzero_ps(); 4];
                for r in 0..4 {
                    let low = _mm256_castps128_ps256(_mm_loadu_ps(rows[r].add(4 * half)));
                    a[r] = _mm256_insertf128_ps::<1>(low, _mm_loadu_ps(rows[r + 4].add(4 * half)));
                }
                for (c, column) in columns(a).into_iter().enumerate() {
                    _mm256_storeu_ps(to.add((4 * half + c) * to_s), column);
                }
            }
        }
    }

    /// # Safety
    /// The machine has AVX; see the caller.
    #[inline(always)]
    pub unsafe fn four(rows: [*const f32; 4], to: *mut f32, to_s: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            let mut a = [_mm256_setzero_ps(); 4];
            for (a, row) in a.iter_mut().zip(rows) {
                *a = _mm256_loadu_ps(row);
            }
            // Here the halves are columns 0 to 3 and 4 to 7.
            for (c, column) in columns(a).into_iter().enumerate() {
                _mm_storeu_ps(to.add(c * to_s), _mm256_castps256_ps128(column));
                _mm_storeu_ps(to.add((c + 4) * to_s), _mm256_extractf128_ps::<1>(column));
            }
        }
    }

    /// # Safety
    /// The machine has AVX; see the caller.
    #[inline(always)]
    pub unsafe fn four_long(rows: [*const f64; 4], to: *mut f64, to_s: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            for half in 0..2 {
                let mut a = [_mm256_setzero_pd(); 2];
                for r in 0..2 {
                    let low = _mm256_castpd128_pd256(_mm_loadu_pd(rows[r].add(2 * half)));
                    a[r] = _mm256_insertf128_pd::<1>(low, _mm_loadu_pd(rows[r + 2].add(2 * half)));
                }
                _mm256_storeu_pd(to.add(2 * half * to_s), _mm256_unpacklo_pd(a[0], a[1]));
                _mm256_storeu_pd(to.add((2 * half + 1) * to_s), _mm256_unpackhi_pd(a[0], a[1]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{self, Kernel, available, with_level};

    struct Panel<'a, T>(usize, usize, &'a [T], &'a mut [T], usize);

    impl<T: Copy> Kernel for Panel<'_, T> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            let Panel(n, depth, from, to, to_s) = self;
            // SAFETY: the buffers are as large as needed.
            unsafe { panel(simd, n, depth, from.as_ptr(), depth as isize, to.as_mut_ptr(), to_s) }
        }
    }

    fn check<T: Copy + PartialEq + std::fmt::Debug + From<u8>>() {
        for level in available() {
            // The last lines share sets of a cache.
            let few_sets = [17, 32, 47, 64].map(|n| (n, 1024));
            for (n, to_s) in (1..=32usize).map(|n| (n, n.next_multiple_of(4) + 4)).chain(few_sets) {
                for depth in [1, 3, 4, 5, 7, 8, 9, 16, 17, 31, 40] {
                    let from: Vec<T> = (0..n * depth).map(|i| T::from((i * 37 % 251) as u8)).collect();
                    let mut to = vec![T::from(255); depth * to_s];
                    with_level(level, || simd::dispatch(Panel(n, depth, &from, &mut to, to_s)));
                    for k in 0..depth {
                        for j in 0..to_s {
                            let got = to[k * to_s + j];
                            if j < n {
                                assert_eq!(got, from[j * depth + k], "{level} {n} {depth} at {j} {k}");
                            } else if j >= n.next_multiple_of(4) {
                                assert_eq!(got, T::from(255), "{level} {n} {depth} wrote beyond");
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn panels_of_all_sizes() {
        check::<u8>();
        check::<u16>();
        check::<f32>();
        check::<f64>();
    }
}
