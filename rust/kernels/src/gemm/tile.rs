//! The micro-kernel: a few rows of `a` times a panel of `b`, sums in registers.
use super::blocking::{MAX_ROWS, Tile, VECTORS};
use super::epilogue::{Finish, FinishTile};
use super::{Activation, Single};
use crate::simd::{self, FloatVec, Kernel, Level, MAX_LANES, Simd};
use std::marker::PhantomData;

/// How tiles multiply and add: what an item of `a` and one of `b` are.
pub trait Multiply: Copy + Send + Sync + 'static {
    /// Whether an item is a pair of 16-bit elements.
    const IS_PAIR: bool;
    /// Runs a kernel that multiplies so.
    ///
    /// # Safety
    /// The machine can.
    unsafe fn vectorize<S: Simd, K: Kernel>(simd: S, kernel: K) -> K::Output;
    /// `a * b + c`.
    ///
    /// # Safety
    /// It is called inside [`vectorize`](Multiply::vectorize).
    unsafe fn mul_add<V: FloatVec>(a: V, b: V, c: V) -> V;
}

/// One by one.
#[derive(Clone, Copy)]
pub struct Ones;

impl Multiply for Ones {
    const IS_PAIR: bool = false;
    #[inline(always)]
    unsafe fn vectorize<S: Simd, K: Kernel>(simd: S, kernel: K) -> K::Output {
        simd.vectorize(kernel)
    }
    #[inline(always)]
    unsafe fn mul_add<V: FloatVec>(a: V, b: V, c: V) -> V {
        a.mul_add(b, c)
    }
}

/// Two and two, by an instruction that not all machines have.
#[derive(Clone, Copy)]
pub struct Pairs;

impl Multiply for Pairs {
    const IS_PAIR: bool = true;
    #[inline(always)]
    unsafe fn vectorize<S: Simd, K: Kernel>(simd: S, kernel: K) -> K::Output {
        // SAFETY: the caller's promise.
        unsafe { simd.vectorize_dot(kernel) }
    }
    #[inline(always)]
    unsafe fn mul_add<V: FloatVec>(a: V, b: V, c: V) -> V {
        // SAFETY: the caller's promise.
        unsafe { a.dot_pairs(b, c) }
    }
}

/// A few rows of `c` over some of its columns, for one block of `k`.
#[derive(Clone, Copy)]
pub(super) struct Strip<'a, T> {
    /// Columns.
    pub n: usize,
    /// Items of a row of `a`, rows of items of `b`.
    pub k: usize,
    /// The first row's first element.
    pub a: *const T,
    /// From row to row, where columns are neighbours; from column to column, where rows are.
    pub a_step: isize,
    pub b: *const T,
    /// From row to row of `b`, whose columns are neighbours.
    pub b_rs: isize,
    /// From panel to panel.
    pub b_panel: isize,
    pub c: *mut T,
    pub c_rs: isize,
    pub c_cs: isize,
    /// Where the strip is in the whole.
    pub row: usize,
    pub column: usize,
    pub finish: &'a Finish<T>,
    /// `finish` is, and `c`'s columns are neighbours.
    pub is_plain: bool,
    /// What to bring near while sums are made.
    pub ahead: Option<&'a Ahead>,
}

/// Where the sums of the whole will be needed next: the first, and the bytes from row to row and from column to column.
#[derive(Clone, Copy)]
pub(super) struct Ahead {
    ptr: *const u8,
    rs: isize,
    cs: isize,
}

impl Ahead {
    /// Elements of `T`, rows `rs` of them apart.
    #[inline(always)]
    pub fn new<T>(ptr: *const T, rs: isize) -> Self {
        let size = size_of::<T>() as isize;
        Self { ptr: ptr.cast(), rs: rs * size, cs: size }
    }

    #[inline(always)]
    fn at(&self, row: usize, column: usize) -> *const u8 {
        self.ptr.wrapping_offset(row as isize * self.rs + column as isize * self.cs)
    }
}

/// The most rows of which tiles may be twice as wide: as many as registers allow.
const fn wide_rows(level: Level) -> usize {
    match level {
        Level::Avx512 | Level::Neon => 6,
        Level::Avx2 => 2,
        Level::Portable => 0,
    }
}

/// A strip whose number of rows the compiler knows, and whether rows or columns of `a` are neighbours.
struct Rows<'a, T, D, const R: usize, const ROWS_ARE_CLOSE: bool>(&'a Strip<'a, T>, PhantomData<D>);

/// Computes a strip `rows` high.
///
/// # Safety
/// The strip must be inside the matrices; `rows` is at most the level's; the machine multiplies so.
#[inline(always)]
pub(super) unsafe fn run<S: Simd, T: Single, D: Multiply>(
    simd: S,
    rows: usize,
    rows_are_close: bool,
    strip: &Strip<'_, T>,
) {
    macro_rules! choose {
        ($($r:literal)+) => {
            match rows {
                // SAFETY: promised by the caller.
                $($r if $r <= Tile::<S, T>::ROWS => unsafe {
                    if rows_are_close {
                        D::vectorize(simd, Rows::<T, D, $r, true>(strip, PhantomData))
                    } else {
                        D::vectorize(simd, Rows::<T, D, $r, false>(strip, PhantomData))
                    }
                })+
                _ => unreachable!("a strip of {rows} rows"),
            }
        };
    }
    choose!(1 2 3 4 5 6 7 8 9 10 11 12)
}

impl<T: Single, D: Multiply, const R: usize, const ROWS_ARE_CLOSE: bool> Kernel
    for Rows<'_, T, D, R, ROWS_ARE_CLOSE>
{
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (lanes, panel) = (T::Vec::<S>::LANES, Tile::<S, T>::COLUMNS);
        let mut left = self.0.n;
        let mut strip = *self.0;
        // SAFETY: the strip is inside the matrices.
        unsafe {
            // Few rows leave registers free, and memory likes long rows where `b` is read in place.
            if R <= const { wide_rows(S::LEVEL) } && strip.b_panel == panel as isize {
                while left >= 2 * panel {
                    tile::<S, T, D, R, { 2 * VECTORS }, ROWS_ARE_CLOSE, false>(simd, &strip, 2 * panel);
                    strip.b = strip.b.offset(2 * strip.b_panel);
                    strip.c = strip.c.offset(2 * panel as isize * strip.c_cs);
                    strip.column += 2 * panel;
                    left -= 2 * panel;
                }
            }
            while left >= panel {
                tile::<S, T, D, R, VECTORS, ROWS_ARE_CLOSE, false>(simd, &strip, panel);
                strip.b = strip.b.offset(strip.b_panel);
                strip.c = strip.c.offset(panel as isize * strip.c_cs);
                strip.column += panel;
                left -= panel;
            }
            if left > lanes {
                tile::<S, T, D, R, VECTORS, ROWS_ARE_CLOSE, true>(simd, &strip, left);
            } else if left > 0 {
                tile::<S, T, D, R, 1, ROWS_ARE_CLOSE, true>(simd, &strip, left);
            }
        }
    }
}

/// One tile: `R` rows, `columns` columns in `V` vectors, the last of which may be cut short where `CUT`.
///
/// # Safety
/// The tile must be inside the matrices.
#[inline(always)]
unsafe fn tile<
    S: Simd,
    T: Single,
    D: Multiply,
    const R: usize,
    const V: usize,
    const ROWS_ARE_CLOSE: bool,
    const CUT: bool,
>(
    simd: S,
    strip: &Strip<'_, T>,
    columns: usize,
) {
    let lanes = T::Vec::<S>::LANES;
    let last = columns - (V - 1) * lanes;
    if let Some(ahead) = strip.ahead {
        for r in 0..R {
            for v in 0..V {
                simd::prefetch(ahead.at(strip.row + r, strip.column + v * lanes));
            }
        }
    }
    let mut sums = [[T::Vec::<S>::zero(simd); V]; R];
    let (mut a, mut b) = (strip.a, strip.b);
    let (a_rs, a_cs) = if ROWS_ARE_CLOSE { (1, strip.a_step) } else { (strip.a_step, 1) };
    for _ in 0..strip.k {
        // SAFETY: inside the matrices; the pointers may end one step beyond, where they are not read.
        unsafe {
            let mut row = [T::Vec::<S>::zero(simd); V];
            for (v, vector) in row.iter_mut().enumerate() {
                *vector = load::<T::Vec<S>, CUT>(simd, b.add(v * lanes), v == V - 1, last);
            }
            for (r, sums) in sums.iter_mut().enumerate() {
                let a = T::Vec::<S>::splat(simd, *a.offset(r as isize * a_rs));
                for (sum, b) in sums.iter_mut().zip(row) {
                    *sum = D::mul_add(a, b, *sum);
                }
            }
        }
        a = a.wrapping_offset(a_cs);
        b = b.wrapping_offset(strip.b_rs);
    }
    // SAFETY: inside the matrices.
    unsafe {
        if strip.is_plain {
            if strip.finish.reads_old {
                add_old::<S, T, R, V, CUT>(simd, strip, &mut sums, last);
            }
            finish::<S, T, R, V, CUT>(simd, strip, &mut sums, last);
            store::<S, T, R, V, CUT>(strip, sums, last);
        } else {
            spill::<S, T, R, V>(simd, strip, sums, columns);
        }
    }
}

/// Bias and activation.
#[inline(always)]
unsafe fn finish<S: Simd, T: Single, const R: usize, const V: usize, const CUT: bool>(
    simd: S,
    strip: &Strip<'_, T>,
    sums: &mut [[T::Vec<S>; V]; R],
    last: usize,
) {
    let lanes = T::Vec::<S>::LANES;
    let bias = strip.finish.bias.get();
    if !bias.is_null() {
        let bias = bias.cast::<T>().wrapping_add(strip.column);
        for v in 0..V {
            // SAFETY: as many as there are columns.
            let bias = unsafe { load::<T::Vec<S>, CUT>(simd, bias.add(v * lanes), v == V - 1, last) };
            for sums in sums.iter_mut() {
                sums[v] = sums[v] + bias;
            }
        }
    }
    if strip.finish.activation == Activation::Relu {
        let zero = T::Vec::<S>::zero(simd);
        for sums in sums.iter_mut() {
            for sum in sums.iter_mut() {
                // In this order a NaN stays.
                *sum = zero.max(*sum);
            }
        }
    }
}

/// A vector, where `CUT` and it is the last only its first `n` elements.
#[inline(always)]
unsafe fn load<V: FloatVec, const CUT: bool>(
    simd: V::Token,
    ptr: *const V::Elem,
    is_last: bool,
    n: usize,
) -> V {
    // SAFETY: promised by the caller.
    unsafe { if CUT && is_last { V::load_first(simd, ptr, n) } else { V::load(simd, ptr) } }
}

/// Adds what `c` holds.
#[inline(always)]
unsafe fn add_old<S: Simd, T: Single, const R: usize, const V: usize, const CUT: bool>(
    simd: S,
    strip: &Strip<'_, T>,
    sums: &mut [[T::Vec<S>; V]; R],
    last: usize,
) {
    let lanes = T::Vec::<S>::LANES;
    for (r, sums) in sums.iter_mut().enumerate() {
        for (v, sum) in sums.iter_mut().enumerate() {
            // SAFETY: inside `c`, as promised by the caller.
            unsafe {
                let c = strip.c.offset(r as isize * strip.c_rs).add(v * lanes);
                *sum = *sum + load::<T::Vec<S>, CUT>(simd, c, v == V - 1, last);
            }
        }
    }
}

/// Stores the sums.
#[inline(always)]
unsafe fn store<S: Simd, T: Single, const R: usize, const V: usize, const CUT: bool>(
    strip: &Strip<'_, T>,
    sums: [[T::Vec<S>; V]; R],
    last: usize,
) {
    let lanes = T::Vec::<S>::LANES;
    for (r, sums) in sums.into_iter().enumerate() {
        for (v, sum) in sums.into_iter().enumerate() {
            // SAFETY: inside `c`, as promised by the caller.
            unsafe {
                let c = strip.c.offset(r as isize * strip.c_rs).add(v * lanes);
                if CUT && v == V - 1 { sum.store_first(c, last) } else { sum.store(c) }
            }
        }
    }
}

/// Leaves the sums to the epilogue.
#[inline(always)]
unsafe fn spill<S: Simd, T: Single, const R: usize, const V: usize>(
    simd: S,
    strip: &Strip<'_, T>,
    sums: [[T::Vec<S>; V]; R],
    columns: usize,
) {
    const { assert!(V <= VECTORS || wide_rows(S::LEVEL) * V <= MAX_ROWS * VECTORS) };
    let lanes = T::Vec::<S>::LANES;
    let mut buffer = std::mem::MaybeUninit::<[T; MAX_ROWS * VECTORS * MAX_LANES]>::uninit();
    let spilled = buffer.as_mut_ptr().cast::<T>();
    for (r, sums) in sums.into_iter().enumerate() {
        for (v, sum) in sums.into_iter().enumerate() {
            // SAFETY: the buffer has room for the largest tile of the widest vectors.
            unsafe { sum.store(spilled.add((r * V + v) * lanes)) };
        }
    }
    simd.vectorize(FinishTile::<T> {
        finish: strip.finish,
        sums: spilled,
        stride: V * lanes,
        rows: R,
        columns,
        row: strip.row,
        column: strip.column,
        c: strip.c,
        c_rs: strip.c_rs,
        c_cs: strip.c_cs,
        acc: std::ptr::null_mut(),
        acc_rs: 0,
    });
}
