//! The matrix is close along `k`, or nowhere: vectors hold a piece of a column, a lane each chain.
use super::{ROUNDS, Tiles, chains, group, piece};
use crate::gemm::{GemmElem, Sum, Vector};
use crate::simd::{self, Float, FloatVec, LINE, MAX_LANES, Simd};
use std::ops::Range;

/// The most vectors that hold a lane for each chain: four, of 128 bits.
const MAX_VECTORS: usize = 4;

/// Columns that share what is loaded of the vector.
pub(super) const TOGETHER: usize = 4;

/// The most chains of a group.
const MAX_GROUP: usize = 4;

/// The chains of a piece of one column.
type Line<E, S> = [Vector<E, S>; MAX_VECTORS];

/// The least chains of a group.
const MIN_GROUP: usize = 2;

/// Sums of columns side by side: in each vector those of as many as a [`group`] has chains, first.
#[derive(Clone, Copy)]
struct SideBySide<V>([V; TOGETHER / MIN_GROUP]);

/// What can be summed up, and then kept in memory.
trait Total: Copy {
    type Elem;
    /// # Safety
    /// There is room for it.
    unsafe fn keep(self, to: *mut Self::Elem);
}

impl<V: FloatVec> Total for SideBySide<V> {
    type Elem = V::Elem;
    #[inline(always)]
    unsafe fn keep(self, to: *mut V::Elem) {
        let width = group::<V::Elem>();
        for (i, sums) in self.0.into_iter().enumerate().take(TOGETHER / width) {
            // SAFETY: promised by the caller.
            unsafe { sums.store_128(to.add(i * width)) };
        }
    }
}

/// That of one column.
impl<T: Float> Total for T {
    type Elem = T;
    #[inline(always)]
    unsafe fn keep(self, to: *mut T) {
        // SAFETY: promised by the caller.
        unsafe { *to = self };
    }
}

/// Sums of blocks, of a column each or of some columns, as they are made: pieces in order.
struct Sums<T: Total> {
    /// Of the block so far, and at its beginning.
    sum: T,
    zero: T,
    /// Where the block ends, if another follows.
    end: usize,
    /// Where all do.
    last: usize,
    length: usize,
    /// Where the sum goes, and how far on the next block's.
    to: *mut T::Elem,
    wide: usize,
}

impl<T: Total> Sums<T> {
    /// The sum that the piece which begins at `k` is added to.
    ///
    /// # Safety
    /// There is room for the sums of all blocks.
    #[inline(always)]
    unsafe fn at(&mut self, k: usize) -> &mut T {
        if k == self.end {
            // SAFETY: promised by the caller.
            unsafe { self.sum.keep(self.to) };
            self.sum = self.zero;
            self.to = self.to.wrapping_add(self.wide);
            self.end = self.after(k);
        }
        &mut self.sum
    }

    /// The last block is done.
    ///
    /// # Safety
    /// As for [`at`](Sums::at).
    #[inline(always)]
    unsafe fn end(self) {
        // SAFETY: promised by the caller.
        unsafe { self.sum.keep(self.to) };
    }

    #[inline(always)]
    fn after(&self, k: usize) -> usize {
        if k + self.length < self.last { k + self.length } else { usize::MAX }
    }
}

impl<E: GemmElem> Tiles<'_, E> {
    /// Sums up `n` columns from `first` on, over some blocks of `k`: the sums of each block are a row of `wide`.
    ///
    /// # Safety
    /// They are inside the matrix, and fit the room.
    #[inline(always)]
    pub(super) unsafe fn columns<S: Simd>(
        &self,
        simd: S,
        first: usize,
        n: usize,
        k: Range<usize>,
        wide: usize,
    ) {
        let whole = n / TOGETHER * TOGETHER;
        let none = SideBySide([Vector::<E, S>::zero(simd); TOGETHER / MIN_GROUP]);
        // SAFETY: promised by the caller.
        unsafe {
            for j in (0..whole).step_by(TOGETHER) {
                let (k, sums) = (k.clone(), self.sums_of(none, &k, j, wide));
                match (self.is_close(), self.stretch.is_far) {
                    (true, false) => self.some::<S, true, false>(simd, first + j, k, sums),
                    (true, true) => self.some::<S, true, true>(simd, first + j, k, sums),
                    (false, _) => self.some::<S, false, false>(simd, first + j, k, sums),
                }
            }
            for j in whole..n {
                let sums = self.sums_of(Sum::<E>::default(), &k, j, wide);
                self.one::<S>(simd, first + j, k.clone(), sums);
            }
        }
    }

    /// Sums of blocks of `k`, for column `j` of the room.
    #[inline(always)]
    fn sums_of<T: Total<Elem = Sum<E>>>(&self, zero: T, k: &Range<usize>, j: usize, wide: usize) -> Sums<T> {
        let length = self.length;
        let sums = Sums { sum: zero, zero, end: 0, last: k.end, length, to: self.sums.wrapping_add(j), wide };
        Sums { end: sums.after(k.start), ..sums }
    }

    /// Sums up some columns from `j` on, and where they are far asks for as many more: what a core itself fetches ahead ends with
    /// a page, and columns are seldom longer.
    #[inline(always)]
    unsafe fn some<S: Simd, const ARE_CLOSE: bool, const IS_FAR: bool>(
        &self,
        simd: S,
        j: usize,
        k: Range<usize>,
        mut sums: Sums<SideBySide<Vector<E, S>>>,
    ) {
        let piece = piece::<Sum<E>>();
        let columns: [_; TOGETHER] = std::array::from_fn(|g| self.column(j + g));
        let whole = k.start + if ARE_CLOSE { k.len() / piece * piece } else { 0 };
        // SAFETY: promised by the caller.
        unsafe {
            for at in (k.start..whole).step_by(piece) {
                if IS_FAR {
                    for column in columns {
                        let next =
                            column.wrapping_offset(TOGETHER as isize * self.stretch.p.b_cs + at as isize);
                        for line in (0..piece).step_by(LINE / size_of::<E>()) {
                            simd::prefetch_far(next.wrapping_add(line));
                        }
                    }
                }
                add_side_by_side::<S, E>(simd, self.whole_chains(simd, at, columns), sums.at(at));
            }
            for at in (whole..k.end).step_by(piece) {
                let lines = self.chains::<S, TOGETHER, ARE_CLOSE>(simd, at..k.end, columns);
                add_side_by_side::<S, E>(simd, lines, sums.at(at));
            }
            sums.end();
        }
    }

    /// Sums up column `j`: here it is several pieces whose chains are dealt with together.
    #[inline(always)]
    unsafe fn one<S: Simd>(&self, simd: S, j: usize, k: Range<usize>, mut sums: Sums<Sum<E>>) {
        let (width, piece) = (group::<Sum<E>>(), piece::<Sum<E>>());
        let column = self.column(j);
        let step = width * piece;
        let whole = k.start + if self.is_close() { k.len() / step * step } else { 0 };
        let none = [[Vector::<E, S>::zero(simd); MAX_VECTORS]; MAX_GROUP];
        // SAFETY: promised by the caller.
        unsafe {
            for at in (k.start..whole).step_by(step) {
                let mut lines = none;
                for (i, line) in lines.iter_mut().enumerate().take(width) {
                    [*line] = self.whole_chains(simd, at + i * piece, [column]);
                }
                add_in_turn::<S, E>(simd, lines, at, &mut sums);
            }
            for at in (whole..k.end).step_by(step) {
                let mut lines = none;
                for (line, at) in lines.iter_mut().zip((at..k.end).step_by(piece)).take(width) {
                    [*line] = if !self.is_close() {
                        self.chains::<S, 1, false>(simd, at..k.end, [column])
                    } else if at + piece <= k.end {
                        self.whole_chains(simd, at, [column])
                    } else {
                        self.chains::<S, 1, true>(simd, at..k.end, [column])
                    };
                }
                add_in_turn::<S, E>(simd, lines, at, &mut sums);
            }
            sums.end();
        }
    }

    /// Whether the vector is close as well.
    #[inline(always)]
    fn is_close(&self) -> bool {
        (self.stretch.p.a_cs, self.stretch.p.b_rs) == (1, 1)
    }

    /// Where column `j` begins.
    #[inline(always)]
    fn column(&self, j: usize) -> *const E {
        let p = self.stretch.p;
        p.b.get().wrapping_offset(j as isize * p.b_cs)
    }

    /// The chains of the whole piece that begins at `k`, where all is close.
    #[inline(always)]
    unsafe fn whole_chains<S: Simd, const G: usize>(
        &self,
        simd: S,
        k: usize,
        columns: [*const E; G],
    ) -> [Line<E, S>; G] {
        let (lanes, step) = (Vector::<E, S>::LANES, chains::<Sum<E>>());
        let mut chains = [[Vector::<E, S>::zero(simd); MAX_VECTORS]; G];
        for r in 0..ROUNDS {
            for v in 0..step / lanes {
                let k = k + r * step + v * lanes;
                // SAFETY: promised by the caller.
                unsafe {
                    let x = E::load(simd, self.stretch.p.a.get().add(k));
                    for (chains, column) in chains.iter_mut().zip(columns) {
                        chains[v] = x.mul_add(E::load(simd, column.add(k)), chains[v]);
                    }
                }
            }
        }
        chains
    }

    /// The chains of the first piece of what is left of a block, where all [is close](Self::is_close) or not.
    #[inline(always)]
    unsafe fn chains<S: Simd, const G: usize, const ARE_CLOSE: bool>(
        &self,
        simd: S,
        left: Range<usize>,
        columns: [*const E; G],
    ) -> [Line<E, S>; G] {
        let (p, lanes, step) = (self.stretch.p, Vector::<E, S>::LANES, chains::<Sum<E>>());
        let mut chains = [[Vector::<E, S>::zero(simd); MAX_VECTORS]; G];
        let end = left.end.min(left.start + piece::<Sum<E>>());
        let (a_cs, b_rs) = if ARE_CLOSE { (1, 1) } else { (p.a_cs, p.b_rs) };
        for v in 0..step / lanes {
            for k in (left.start + v * lanes..end).step_by(step) {
                let n = lanes.min(end - k);
                let at = |ptr: *const E, stride: isize| ptr.wrapping_offset(k as isize * stride);
                // SAFETY: promised by the caller.
                unsafe {
                    let x = first_of::<S, E>(simd, at(p.a.get(), a_cs), a_cs, n);
                    for (chains, column) in chains.iter_mut().zip(columns) {
                        let y = first_of::<S, E>(simd, at(column, b_rs), b_rs, n);
                        chains[v] = x.mul_add(y, chains[v]);
                    }
                }
            }
        }
        chains
    }
}

/// Adds the lines of a piece of some columns to their sums.
#[inline(always)]
fn add_side_by_side<S: Simd, E: GemmElem>(
    simd: S,
    lines: [Line<E, S>; TOGETHER],
    SideBySide(sums): &mut SideBySide<Vector<E, S>>,
) {
    let width = group::<Sum<E>>();
    for i in 0..TOGETHER / width {
        sums[i] = sums[i] + piece_sums::<S, E>(simd, &lines[i * width..(i + 1) * width]);
    }
}

/// Adds the lines of some pieces of a column, from `k` on, to the sums of their blocks.
///
/// # Safety
/// As for [`Sums::at`].
#[inline(always)]
unsafe fn add_in_turn<S: Simd, E: GemmElem>(
    simd: S,
    lines: [Line<E, S>; MAX_GROUP],
    k: usize,
    sums: &mut Sums<Sum<E>>,
) {
    let width = group::<Sum<E>>();
    let mut pieces = [Sum::<E>::default(); MAX_LANES];
    // SAFETY: promised by the caller; the array holds the widest vector.
    unsafe {
        piece_sums::<S, E>(simd, &lines[..width]).store(pieces.as_mut_ptr());
        for (i, &sum) in pieces.iter().enumerate().take(width) {
            let all = sums.at(k + i * piece::<Sum<E>>());
            *all = *all + sum;
        }
    }
}

/// The sums of as many lines as a group has chains, first in a vector: groups, and these in order.
#[inline(always)]
fn piece_sums<S: Simd, E: GemmElem>(simd: S, lines: &[Line<E, S>]) -> Vector<E, S> {
    let (lanes, width) = (Vector::<E, S>::LANES, group::<Sum<E>>());
    let mut sums = Vector::<E, S>::zero(simd);
    for v in 0..chains::<Sum<E>>() / lanes {
        let mut chains = [Vector::<E, S>::zero(simd); MAX_GROUP];
        for (chains, line) in chains.iter_mut().zip(lines) {
            *chains = line[v];
        }
        // Transposed by as many perfect shuffles as the number of a chain has bits.
        for _ in 0..width.ilog2() {
            let from = chains;
            for i in 0..width / 2 {
                (chains[2 * i], chains[2 * i + 1]) = from[i].zip(from[i + width / 2]);
            }
        }
        let mut groups = chains[0];
        for &chain in &chains[1..width] {
            groups = groups + chain;
        }
        for i in 0..lanes / width {
            let group = groups.nth_128(i);
            sums = if v + i == 0 { group } else { sums + group };
        }
    }
    sums
}

/// `n` elements, `stride` apart; the other lanes are zero.
#[inline(always)]
unsafe fn first_of<S: Simd, E: GemmElem>(simd: S, ptr: *const E, stride: isize, n: usize) -> Vector<E, S> {
    // SAFETY: promised by the caller.
    unsafe {
        if stride == 1 {
            return E::load_first(simd, ptr, n);
        }
        let mut buffer = [Sum::<E>::default(); MAX_LANES];
        for (i, lane) in buffer.iter_mut().enumerate().take(n) {
            *lane = (*ptr.offset(i as isize * stride)).widen();
        }
        Vector::<E, S>::load(simd, buffer.as_ptr())
    }
}
