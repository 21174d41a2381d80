//! The micro-kernel: a few rows of `a` times a panel of `b`, sums in registers.
use super::blocking::{MAX_ROWS, Tile, VECTORS};
use super::epilogue::{Finish, FinishTile, Way, gated};
use super::fetch::{self, Fetch};
use super::multiply::{Multiply, Ones};
use super::pack::row_step;
use super::turned_b;
use super::turned_c::{self, FinishTurned};
use super::{Activation, Single};
use crate::simd::{self, Float, FloatElem, FloatVec, Kernel, Level, MAX_LANES, Simd};
use crate::transpose::can_turn;
use std::marker::PhantomData;

/// A few rows of `c` over some of its columns, for one block of `k`, and those as many rows further on.
#[derive(Clone, Copy)]
pub(super) struct Strip<'a, T> {
    /// How many there are: one where tiles pack.
    pub count: usize,
    /// Elements of `a` from one to the next.
    pub a_strip: isize,
    /// Columns.
    pub n: usize,
    /// Items of a row of `a`, rows of items of `b`.
    pub k: usize,
    /// The first row's first element.
    pub a: *const T,
    /// From row to row, where columns are neighbours; from column to column, where rows are.
    pub a_step: isize,
    pub b: *const T,
    /// From row to row of `b`, whose columns are neighbours; from column to column, where tiles [turn](super::turned_b) it.
    pub b_rs: isize,
    pub turns_b: bool,
    /// From panel to panel.
    pub b_panel: isize,
    /// Where tiles' columns of `b` are still to be packed from; else null. Its elements are those of products.
    pub raw: *const (),
    pub raw_rs: isize,
    /// Where the first tile packs its rows of `a`, which are close; else null.
    pub a_to: *mut T,
    pub c: *mut T,
    pub c_rs: isize,
    pub c_cs: isize,
    /// Where the strip is in the whole.
    pub row: usize,
    pub column: usize,
    pub finish: &'a Finish<T>,
    pub way: Way,
    /// What to bring near while sums are made: of `c`, and of what is packed after this.
    pub ahead: Option<&'a Ahead>,
    pub fetch: Option<&'a Fetch>,
}

impl<T> Strip<'_, T> {
    /// Whether the next tile packs something on its way.
    #[inline(always)]
    fn packs(&self) -> bool {
        !self.raw.is_null() || !self.a_to.is_null()
    }

    /// A tile of so many columns has packed what it is made of: those of `b`, elements of `E`, and `rows` of `a`, which later
    /// tiles read from there.
    #[inline(always)]
    fn is_packed<E>(&mut self, rows: usize, columns: usize) {
        if !self.raw.is_null() {
            self.raw = self.raw.cast::<E>().wrapping_add(columns).cast();
        }
        if !self.a_to.is_null() {
            (self.a, self.a_step) = (self.a_to, row_step(rows) as isize);
            self.a_to = std::ptr::null_mut();
        }
    }

    /// The same columns again, `i` times `rows` rows further on.
    #[inline(always)]
    fn restart(&mut self, first: &Self, i: usize, rows: usize) {
        self.a = first.a.wrapping_offset(i as isize * first.a_strip);
        self.c = first.c.wrapping_offset((i * rows) as isize * first.c_rs);
        self.row = first.row + i * rows;
        (self.b, self.column, self.n) = (first.b, first.column, first.n);
    }

    /// Leaves out the first `columns`, which lie `b_step` elements of `b` before the others.
    #[inline(always)]
    fn skip(&mut self, columns: usize, b_step: isize) {
        self.b = self.b.wrapping_offset(b_step);
        self.c = self.c.wrapping_offset(columns as isize * self.c_cs);
        self.column += columns;
        self.n -= columns;
    }
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

/// So few rows wait for what is loaded, and vectors that lie across two cache lines take twice the time: so many columns of a
/// `b` that is read in place had better begin with a whole vector. NumPy's arrays begin anywhere.
const LOADING_ROWS: usize = 3;
const LOADING_COLUMNS: usize = 256;

/// The least rows of which a tile between one and two vectors wide is made of two tiles, one a half vector wide.
const HALVED_ROWS: usize = 6;

/// A strip whose number of rows the compiler knows, and whether rows or columns of `a` are neighbours.
struct Rows<'a, T, D, const R: usize, const ROWS_ARE_CLOSE: bool>(&'a Strip<'a, T>, PhantomData<D>);

/// How many rounds early what tiles pack is asked for.
const ROUNDS_AHEAD: isize = 32;

/// Computes strips `rows` high.
///
/// # Safety
/// The strips must be inside the matrices; `rows` is at most the level's; the machine multiplies so.
#[inline(always)]
pub(super) unsafe fn run<S: Simd, T: Single, D: Multiply<T>>(
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

impl<T: Single, D: Multiply<T>, const R: usize, const ROWS_ARE_CLOSE: bool> Kernel
    for Rows<'_, T, D, R, ROWS_ARE_CLOSE>
{
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let mut strip = *self.0;
        for i in 1.. {
            // SAFETY: the strips are inside the matrices.
            unsafe { Self::strip(simd, &mut strip) };
            if i >= self.0.count {
                break;
            }
            strip.restart(self.0, i, R);
        }
    }
}

impl<T: Single, D: Multiply<T>, const R: usize, const ROWS_ARE_CLOSE: bool>
    Rows<'_, T, D, R, ROWS_ARE_CLOSE>
{
    /// Tile after tile.
    ///
    /// # Safety
    /// The strip must be inside the matrices.
    #[inline(always)]
    unsafe fn strip<S: Simd>(simd: S, strip: &mut Strip<'_, T>) {
        let (lanes, panel) = (T::Vec::<S>::LANES, Tile::<S, T>::COLUMNS);
        let half = if D::IS_PAIR { 0 } else { T::Vec::<S::Half>::LANES % lanes };
        if strip.turns_b && can_turn::<T>(S::LEVEL) && !D::IS_PAIR {
            while strip.n > 0 {
                let columns = lanes.min(strip.n);
                // SAFETY: promised by the caller.
                unsafe {
                    let sums = turned_b::sums::<S, T, R, ROWS_ARE_CLOSE>(simd, strip, columns);
                    finish::<S, T, D, R, 1, true>(simd, strip, sums, columns);
                }
                strip.skip(columns, columns as isize * strip.b_rs);
            }
            return;
        }
        // SAFETY: promised by the caller.
        unsafe {
            while strip.packs() && strip.n >= panel {
                tile::<S, T, D, R, VECTORS, ROWS_ARE_CLOSE, false, true, false>(simd, strip, panel);
                strip.is_packed::<D::Elem>(R, panel);
                strip.skip(panel, strip.b_panel);
            }
            if R <= LOADING_ROWS && strip.b_panel == panel as isize && strip.n >= LOADING_COLUMNS {
                let head = simd::before_whole_rows(strip.b, strip.b_rs, lanes * size_of::<T>(), strip.n);
                if head > 0 {
                    tile::<S, T, D, R, 1, ROWS_ARE_CLOSE, true, false, false>(simd, strip, head);
                    strip.skip(head, head as isize);
                }
            }
            // Few rows leave registers free, and memory likes long rows where `b` is read in place.
            if R <= const { wide_rows(S::LEVEL) } && strip.b_panel == panel as isize {
                while strip.n >= 2 * panel {
                    tile::<S, T, D, R, { 2 * VECTORS }, ROWS_ARE_CLOSE, false, false, false>(
                        simd,
                        strip,
                        2 * panel,
                    );
                    strip.skip(2 * panel, 2 * strip.b_panel);
                }
            }
            while strip.n >= panel {
                if strip.fetch.is_some() {
                    tile::<S, T, D, R, VECTORS, ROWS_ARE_CLOSE, false, false, true>(simd, strip, panel);
                } else {
                    tile::<S, T, D, R, VECTORS, ROWS_ARE_CLOSE, false, false, false>(simd, strip, panel);
                }
                strip.skip(panel, strip.b_panel);
            }
            // Vectors half as wide take half the time on some machines; few rows wait for their own sums.
            if R >= HALVED_ROWS && (lanes + 1..=lanes + half).contains(&strip.n) {
                tile::<S, T, D, R, 1, ROWS_ARE_CLOSE, true, false, false>(simd, strip, lanes);
                strip.skip(lanes, lanes as isize);
            }
            match strip.n {
                0 => {}
                n if n <= half => {
                    tile::<S::Half, T, D, R, 1, ROWS_ARE_CLOSE, true, false, false>(simd.half(), strip, n)
                }
                n if n <= lanes => tile::<S, T, D, R, 1, ROWS_ARE_CLOSE, true, false, false>(simd, strip, n),
                n => tile::<S, T, D, R, VECTORS, ROWS_ARE_CLOSE, true, false, false>(simd, strip, n),
            }
        }
    }
}

/// One tile: `R` rows, `columns` columns in `V` vectors, the last of which may be cut short where `CUT`. On
/// the way it packs its columns of `b` where `PACKS`, and brings near what is wanted next where `FETCHES`.
///
/// # Safety
/// The tile must be inside the matrices.
#[inline(always)]
unsafe fn tile<
    S: Simd,
    T: Single,
    D: Multiply<T>,
    const R: usize,
    const V: usize,
    const ROWS_ARE_CLOSE: bool,
    const CUT: bool,
    const PACKS: bool,
    const FETCHES: bool,
>(
    simd: S,
    strip: &Strip<'_, T>,
    columns: usize,
) {
    let lanes = T::Vec::<S>::LANES;
    let last = columns - (V - 1) * lanes;
    if let Some(ahead) = strip.ahead {
        if strip.way == Way::Turned {
            (0..columns).for_each(|j| simd::prefetch(ahead.at(strip.row, strip.column + j)));
        } else {
            for r in 0..R {
                for v in 0..V {
                    simd::prefetch(ahead.at(strip.row + r, strip.column + v * lanes));
                }
            }
        }
    }
    let mut sums = [[T::Vec::<S>::zero(simd); V]; R];
    let (mut a, mut b) = (strip.a, strip.b);
    let (mut raw, mut a_to) = (strip.raw.cast::<D::Elem>(), strip.a_to);
    let item = if D::IS_PAIR { 2 } else { 1 };
    let (a_rs, a_cs) = if ROWS_ARE_CLOSE { (1, strip.a_step) } else { (strip.a_step, 1) };
    // A gate is asked for half way: so many lines at once would keep those waiting that sums are made of.
    let gate_at = if strip.finish.gate.get().is_null() { 0 } else { strip.k.div_ceil(2) };
    let mut left = strip.k;
    while left > 0 {
        let rounds = match strip.fetch {
            Some(fetch) if FETCHES => {
                fetch.next();
                left.min(fetch::ROUNDS)
            }
            _ if left > gate_at => left - gate_at,
            _ => left,
        };
        left -= rounds;
        for _ in 0..rounds {
            // SAFETY: inside the matrices; the pointers may end one step beyond, where they are not read.
            unsafe {
                let mut row = [T::Vec::<S>::zero(simd); V];
                if PACKS && !raw.is_null() {
                    if !D::IS_PAIR {
                        let next = raw.wrapping_offset(ROUNDS_AHEAD * strip.raw_rs);
                        // Their last elements: where rows do not begin with a cache line, the first lie in one that is near.
                        (1..=V).for_each(|v| simd::prefetch_far(next.wrapping_add(v * lanes - 1)));
                    }
                    for (v, (to, from)) in row.iter_mut().zip(D::row(simd, raw, strip.raw_rs)).enumerate() {
                        *to = from;
                        from.store(b.cast_mut().add(v * lanes));
                    }
                    raw = raw.wrapping_offset(item * strip.raw_rs);
                } else {
                    for (v, vector) in row.iter_mut().enumerate() {
                        *vector = load::<S, T, CUT>(simd, b.add(v * lanes), v == V - 1, last);
                    }
                }
                if PACKS && ROWS_ARE_CLOSE && !a_to.is_null() {
                    // They may lie in two cache lines.
                    let next = a.wrapping_offset(ROUNDS_AHEAD * a_cs);
                    simd::prefetch_far(next);
                    simd::prefetch_far(next.wrapping_add(R - 1));
                    for r in (0..R).step_by(lanes) {
                        let n = lanes.min(R - r);
                        T::Vec::<S>::load_first(simd, a.add(r), n).store_first(a_to.add(r), n);
                    }
                    a_to = a_to.wrapping_add(row_step(R));
                }
                for (r, sums) in sums.iter_mut().enumerate() {
                    // Pairs are aligned as their elements are.
                    let a = T::Vec::<S>::splat(simd, a.offset(r as isize * a_rs).read_unaligned());
                    for (sum, b) in sums.iter_mut().zip(row) {
                        *sum = D::mul_add(a, b, *sum);
                    }
                }
            }
            a = a.wrapping_offset(a_cs);
            b = b.wrapping_offset(strip.b_rs);
        }
        if left <= gate_at && left + rounds > gate_at && gate_at > 0 {
            for r in 0..R {
                for v in 0..V {
                    let column = strip.column + v * lanes;
                    simd::prefetch(strip.finish.gate_at::<D::Elem>(strip.row + r, column));
                }
            }
        }
    }
    // SAFETY: inside the matrices.
    unsafe { finish::<S, T, D, R, V, CUT>(simd, strip, sums, columns) }
}

/// What becomes of a tile's sums.
///
/// # Safety
/// The tile is inside `c`.
#[inline(always)]
unsafe fn finish<S: Simd, T: Single, D: Multiply<T>, const R: usize, const V: usize, const CUT: bool>(
    simd: S,
    strip: &Strip<'_, T>,
    mut sums: [[T::Vec<S>; V]; R],
    columns: usize,
) {
    let last = columns - (V - 1) * T::Vec::<S>::LANES;
    // SAFETY: inside the matrices.
    unsafe {
        if strip.way == Way::Plain {
            let finish = strip.finish;
            if D::IS_PAIR && !finish.rounded.get().is_null() {
                return round::<S, T, D, R, V, CUT>(simd, strip, sums, last);
            }
            if finish.reads_old {
                add_old::<S, T, R, V, CUT>(simd, strip.c, strip.c_rs, &mut sums, last);
            }
            add_bias::<S, T, R, V, CUT>(simd, strip, &mut sums, last);
            activate(finish.activation, &mut sums);
            gate::<S, T, R, V, CUT>(simd, strip, &mut sums, last);
            store::<S, T, Ones, R, V, CUT>(simd, sums, false, strip.c, strip.c_rs, last);
        } else if R <= turned_c::FEW && V == 1 && strip.way == Way::Turned && strip.finish.is_bare() {
            turned_c::store_few(simd, strip, sums.map(|sums| sums[0]), columns);
        } else {
            spill::<S, T, R, V>(simd, strip, sums, columns);
        }
    }
}

/// Rounds sums to elements of `c`.
#[inline(always)]
unsafe fn round<S: Simd, T: Single, D: Multiply<T>, const R: usize, const V: usize, const CUT: bool>(
    simd: S,
    strip: &Strip<'_, T>,
    mut sums: [[T::Vec<S>; V]; R],
    last: usize,
) {
    let finish = strip.finish;
    let (c, rs) = (finish.rounded.get().cast::<D::Elem>(), finish.rounded_rs);
    let c = c.wrapping_offset(strip.row as isize * rs + strip.column as isize);
    // SAFETY: inside `c`, as promised by the caller.
    unsafe {
        if !finish.reads_old && finish.bias.get().is_null() && finish.gate.get().is_null() {
            activate(finish.activation, &mut sums);
            return store::<S, T, D, R, V, CUT>(simd, sums, true, c, rs, last);
        }
        if finish.reads_acc {
            add_old::<S, T, R, V, CUT>(simd, strip.c, strip.c_rs, &mut sums, last);
        } else if finish.reads_old {
            add_old::<S, D::Elem, R, V, CUT>(simd, c, rs, &mut sums, last);
        }
        add_bias::<S, D::Elem, R, V, CUT>(simd, strip, &mut sums, last);
        activate(finish.activation, &mut sums);
        gate::<S, D::Elem, R, V, CUT>(simd, strip, &mut sums, last);
        store::<S, T, D, R, V, CUT>(simd, sums, false, c, rs, last);
    }
}

/// Adds the bias, whose elements are `E`.
#[inline(always)]
unsafe fn add_bias<S: Simd, E: FloatElem, const R: usize, const V: usize, const CUT: bool>(
    simd: S,
    strip: &Strip<'_, E::Compute>,
    sums: &mut [[<E::Compute as Float>::Vec<S>; V]; R],
    last: usize,
) {
    let bias = strip.finish.bias.get();
    if bias.is_null() {
        return;
    }
    let bias = bias.cast::<E>().wrapping_add(strip.column);
    for v in 0..V {
        let at = bias.wrapping_add(v * <E::Compute as Float>::Vec::<S>::LANES);
        // SAFETY: as many as there are columns.
        let bias = unsafe { load::<S, E, CUT>(simd, at, v == V - 1, last) };
        for sums in sums.iter_mut() {
            sums[v] = sums[v] + bias;
        }
    }
}

#[inline(always)]
fn activate<V: FloatVec, const R: usize, const C: usize>(activation: Activation, sums: &mut [[V; C]; R]) {
    if activation != Activation::None {
        for sums in sums.iter_mut() {
            for sum in sums.iter_mut() {
                *sum = activation.of(*sum);
            }
        }
    }
}

/// Leaves zero where the gate, whose elements are `E`, is not above zero.
#[inline(always)]
unsafe fn gate<S: Simd, E: FloatElem, const R: usize, const V: usize, const CUT: bool>(
    simd: S,
    strip: &Strip<'_, E::Compute>,
    sums: &mut [[<E::Compute as Float>::Vec<S>; V]; R],
    last: usize,
) {
    let finish = strip.finish;
    if !finish.gate.get().is_null() {
        let gate = finish.gate_at::<E>(strip.row, strip.column);
        // SAFETY: the gate is as large as `c`.
        unsafe {
            with::<S, E, R, V, CUT>(simd, gate, finish.gate_rs, sums, last, |sum, gate| {
                gated::<S, E::Compute>(simd, sum, gate)
            });
        }
    }
}

/// A vector, where `CUT` and it is the last only its first `n` elements.
#[inline(always)]
unsafe fn load<S: Simd, E: FloatElem, const CUT: bool>(
    simd: S,
    ptr: *const E,
    is_last: bool,
    n: usize,
) -> <E::Compute as Float>::Vec<S> {
    // SAFETY: promised by the caller.
    unsafe { if CUT && is_last { E::load_first(simd, ptr, n) } else { E::load(simd, ptr) } }
}

/// Adds what `c` holds.
#[inline(always)]
unsafe fn add_old<S: Simd, E: FloatElem, const R: usize, const V: usize, const CUT: bool>(
    simd: S,
    c: *const E,
    c_rs: isize,
    sums: &mut [[<E::Compute as Float>::Vec<S>; V]; R],
    last: usize,
) {
    // SAFETY: inside `c`, as promised by the caller.
    unsafe { with::<S, E, R, V, CUT>(simd, c, c_rs, sums, last, |sum, old| sum + old) }
}

/// Makes each vector of sums what `f` says, of it and of the elements there are for it in a matrix with close columns.
#[inline(always)]
unsafe fn with<S: Simd, E: FloatElem, const R: usize, const V: usize, const CUT: bool>(
    simd: S,
    ptr: *const E,
    rs: isize,
    sums: &mut [[<E::Compute as Float>::Vec<S>; V]; R],
    last: usize,
    f: impl Fn(<E::Compute as Float>::Vec<S>, <E::Compute as Float>::Vec<S>) -> <E::Compute as Float>::Vec<S>,
) {
    let lanes = <E::Compute as Float>::Vec::<S>::LANES;
    for (r, sums) in sums.iter_mut().enumerate() {
        for (v, sum) in sums.iter_mut().enumerate() {
            // SAFETY: inside the matrix, as promised by the caller.
            unsafe {
                let ptr = ptr.offset(r as isize * rs).add(v * lanes);
                *sum = f(*sum, load::<S, E, CUT>(simd, ptr, v == V - 1, last));
            }
        }
    }
}

/// Stores the sums as elements.
#[inline(always)]
unsafe fn store<S: Simd, T: Single, D: Multiply<T>, const R: usize, const V: usize, const CUT: bool>(
    simd: S,
    sums: [[T::Vec<S>; V]; R],
    are_made: bool,
    c: *mut D::Elem,
    c_rs: isize,
    last: usize,
) {
    let lanes = T::Vec::<S>::LANES;
    for (r, sums) in sums.into_iter().enumerate() {
        for (v, sum) in sums.into_iter().enumerate() {
            // SAFETY: inside `c`, as promised by the caller.
            unsafe {
                let c = c.offset(r as isize * c_rs).add(v * lanes);
                D::store(simd, sum, are_made, c, if CUT && v == V - 1 { last } else { lanes });
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
    let tile = FinishTile::<T> {
        finish: strip.finish,
        sums: spilled,
        stride: V * lanes,
        blocks: 1,
        block_stride: 0,
        rows: R,
        columns,
        row: strip.row,
        column: strip.column,
        c: strip.c,
        c_rs: strip.c_rs,
        c_cs: strip.c_cs,
        acc: std::ptr::null_mut(),
        acc_rs: 0,
    };
    if strip.way == Way::Turned { simd.vectorize(FinishTurned(tile)) } else { simd.vectorize(tile) }
}
