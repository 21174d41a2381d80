//! Operands that lie in other directions than the result, or with gaps: computed in tiles, so that each cache line that is
//! touched is used whole while it is near.
use super::drive::MAX_OPERANDS;
use super::gaps::{gather, scatter};
use super::rows::{ACROSS, Row, Rows, is_row};
use crate::nest::Nest;
use crate::simd::{Aligned, Kernel, LINE, Level, Simd, dispatch_unchecked};
use crate::transpose::{self, COLLISION_BYTES, SQUARE};
use std::mem::MaybeUninit;
use std::ops::Range;

/// What the operands' parts of a tile that are brought into rows take together: four lines high and [`COLUMNS`] wide for one
/// operand. Memory answers four neighbouring lines hardly later than one.
const TILE_BYTES: usize = 198 << 10;
/// The longest row of a tile: long enough that the stores of a row are through when the next begins, which loads that lie alike in
/// their pages would wait for.
const COLUMNS: usize = 768;
/// Rows shorter than this are better the other way where that is longer.
const SHORT: usize = 64;
/// Tiles of fewer elements are not worth the trouble.
const WORTH: usize = 256;

/// The offsets of the inputs, and of the output at [`MAX_OPERANDS`].
type Offsets = [isize; MAX_OPERANDS + 1];

/// How far rows of a tile are apart: an odd number of lines, so that they do not share sets of a cache.
fn pitch(size: usize, columns: usize) -> usize {
    let line = LINE / size;
    (columns.div_ceil(line) | 1) * line
}

/// A walk in tiles over two loops of a nest.
pub(super) struct Tiles<const N: usize> {
    outer: Nest<{ MAX_OPERANDS + 1 }>,
    /// The loop along rows, and the steps of the operands.
    columns: usize,
    along: Offsets,
    /// The loop across them; one round where there is none.
    rows: usize,
    across: Offsets,
    /// The extents of a tile.
    tile: [usize; 2],
    /// The operand that is turned in registers, if one is.
    turned: Option<usize>,
}

impl<const N: usize> Tiles<N> {
    /// The walk over `nest`, whose last operand is the output and has elements of at most `size` bytes like the others;
    /// `None` where tiles would be tiny. With `squares` one operand may lie across the others.
    pub fn new(nest: &Nest<{ MAX_OPERANDS + 1 }>, size: usize, squares: bool) -> Option<Self> {
        let mut outer = *nest;
        let inner = outer.rank().checked_sub(1)?;
        let Some(across) = Self::across(nest, inner) else {
            let (columns, along) = outer.take_inner();
            let tile = [1, columns.min(2 * COLUMNS)];
            return (columns >= WORTH / 4).then_some(Self {
                outer,
                columns,
                along,
                rows: 1,
                across: [0; MAX_OPERANDS + 1],
                tile,
                turned: None,
            });
        };
        let off_rows = |d| Self::operands().filter(|&i| !is_row(i, nest.strides(d)[i])).count();
        let (here, there) = (nest.extent(inner), nest.extent(across));
        let off = [off_rows(inner), off_rows(across)];
        let swap = off[1] < off[0] || off[1] == off[0] && here < SHORT && here < there;
        let (mut columns, mut along) = outer.take_inner();
        let (mut rows, mut across) = outer.take(across);
        if swap {
            ((columns, along), (rows, across)) = ((rows, across), (columns, along));
        }
        // In equal parts of whole lines.
        let line = LINE / size;
        let parts = columns.div_ceil(COLUMNS);
        let width = columns.div_ceil(parts).next_multiple_of(line).min(columns);
        let turned = squares.then(|| Self::turned(&along, &across, size)).flatten();
        let most = TILE_BYTES / off[usize::from(swap)].max(1) / size / pitch(size, width);
        // What needs no room is cut small, so that threads share it out evenly.
        let high = if turned.is_some() { 2 * SQUARE } else { most / line * line };
        let height = rows.min(high.max(1));
        (width * height >= WORTH).then_some(Self {
            outer,
            columns,
            along,
            rows,
            across,
            tile: [height, width],
            turned,
        })
    }

    /// The only operand that does not lie in rows, if it lies across: unless its lines share a few sets of the caches.
    fn turned(along: &Offsets, across: &Offsets, size: usize) -> Option<usize> {
        let mut others = Self::operands().filter(|&i| along[i] != 1);
        let i = others.next().filter(|&i| i != MAX_OPERANDS && across[i] == 1)?;
        let collides = (along[i].unsigned_abs() * size).is_multiple_of(COLLISION_BYTES);
        (others.next().is_none() && !collides).then_some(i)
    }

    /// The inputs and the output.
    pub fn operands() -> impl Iterator<Item = usize> {
        (0..N).chain([MAX_OPERANDS])
    }

    /// The loop along which the elements of an input are nearer to each other than along the innermost.
    fn across(nest: &Nest<{ MAX_OPERANDS + 1 }>, inner: usize) -> Option<usize> {
        (0..N).find_map(|i| {
            let step = |d: usize| nest.strides(d)[i].unsigned_abs();
            let near = (0..inner).filter(|&d| (1..step(inner)).contains(&step(d)));
            near.min_by_key(|&d| step(d))
        })
    }

    /// How many tiles there are.
    pub fn count(&self) -> usize {
        self.outer.count() * self.columns.div_ceil(self.tile[1]) * self.rows.div_ceil(self.tile[0])
    }

    /// The elements of a whole tile.
    pub fn size(&self) -> usize {
        self.tile[0] * self.tile[1]
    }

    /// Computes the tiles of a range, those beside each other first: they go on with what lies in rows.
    ///
    /// # Safety
    /// As for [`drive`](super::drive::drive); `level` was chosen by [`level`](crate::simd::level()).
    pub unsafe fn run<A: Copy, B: Copy>(
        &self,
        range: Range<usize>,
        level: Level,
        formula: (Row<A, B, N>, *const ()),
        x: [*const A; N],
        y: *mut B,
        past: bool,
    ) {
        // SAFETY: the caller's promise; all lie in rows but what is turned in registers.
        unsafe {
            if self.turned.is_some() {
                self.walk(range, level, formula, x, y, past, std::ptr::null_mut())
            } else {
                self.with_room(range, level, formula, x, y, past)
            }
        }
    }

    /// Not inlined: room on the stack is touched page by page before it is used.
    #[inline(never)]
    unsafe fn with_room<A: Copy, B: Copy>(
        &self,
        range: Range<usize>,
        level: Level,
        formula: (Row<A, B, N>, *const ()),
        x: [*const A; N],
        y: *mut B,
        past: bool,
    ) {
        let mut room = Aligned([MaybeUninit::<u8>::uninit(); TILE_BYTES]);
        // SAFETY: the caller's promise.
        unsafe { self.walk(range, level, formula, x, y, past, room.0.as_mut_ptr().cast()) }
    }

    /// With room for a tile of each operand that does not lie in rows.
    #[allow(clippy::too_many_arguments)]
    unsafe fn walk<A: Copy, B: Copy>(
        &self,
        range: Range<usize>,
        level: Level,
        (row, formula): (Row<A, B, N>, *const ()),
        x: [*const A; N],
        y: *mut B,
        past: bool,
        room: *mut u8,
    ) {
        let [height, width] = self.tile;
        let size = size_of::<A>().max(size_of::<B>());
        let pitch = pitch(size, width);
        let (down, right) = (self.rows.div_ceil(height), self.columns.div_ceil(width));
        let direct = |i: usize| self.turned == Some(i) || is_row(i, self.along[i]);
        // The operands that are brought into rows share the room, the output comes last.
        let part_of_room = |i: usize| (0..i).filter(|&i| !direct(i)).count() * height * pitch * size;
        // All parts together are no larger than the room.
        let rooms: [*mut A; N] = std::array::from_fn(|i| room.wrapping_add(part_of_room(i)).cast());
        let out: *mut B = room.wrapping_add(part_of_room(N)).cast();
        let lies_in_rows = direct(MAX_OPERANDS);
        let step: [usize; N] = std::array::from_fn(|i| {
            if self.turned == Some(i) {
                ACROSS
            } else if direct(i) {
                self.along[i] as usize
            } else {
                1
            }
        });
        for tile in range {
            let (top, left) = (tile / right % down * height, tile % right * width);
            let part =
                Part { rows: height.min(self.rows - top), columns: width.min(self.columns - left), pitch };
            let round = tile / right / down;
            self.outer.each(round..round + 1, |mut at| {
                for i in Self::operands() {
                    at[i] += top as isize * self.across[i] + left as isize * self.along[i];
                }
                let steps = |i: usize| [self.along[i], self.across[i]];
                // SAFETY: the offsets lie inside the operands, and the tile in its rooms; tasks write different elements.
                unsafe {
                    // Where each row begins, and how far on the next does.
                    let mut rows: [(*const A, isize); N] = std::array::from_fn(|i| {
                        let down = if step[i] == ACROSS { self.along[i] } else { self.across[i] };
                        (x[i].offset(at[i]), down)
                    });
                    for i in (0..N).filter(|&i| !direct(i)) {
                        let (from, to) = (rows[i].0, rooms[i]);
                        dispatch_unchecked(level, Fetch { part, from, steps: steps(i), to });
                        rows[i] = (to, pitch as isize);
                    }
                    let y = y.offset(at[MAX_OPERANDS]);
                    let (to, down) =
                        if lies_in_rows { (y, self.across[MAX_OPERANDS]) } else { (out, pitch as isize) };
                    let rows = Rows {
                        x: rows.map(|(x, _)| x),
                        step,
                        down: rows.map(|(_, down)| down),
                        y: to,
                        y_down: down,
                        count: part.rows,
                        n: part.columns,
                        past: past && lies_in_rows,
                    };
                    row(formula, &rows);
                    if !lies_in_rows {
                        dispatch_unchecked(level, Put { part, from: out, to: y, steps: steps(MAX_OPERANDS) });
                    }
                }
            });
        }
    }
}

/// The extents of a tile, smaller at the edges, and how far its rows are apart where they have room of their own.
#[derive(Clone, Copy)]
struct Part {
    rows: usize,
    columns: usize,
    pitch: usize,
}

/// Brings an operand's part of a tile into rows.
struct Fetch<T> {
    part: Part,
    from: *const T,
    /// Along a row, and across.
    steps: [isize; 2],
    to: *mut T,
}

impl<T: Copy> Kernel for Fetch<T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { part: Part { rows, columns, pitch }, from, steps: [along, across], to } = self;
        // SAFETY: the steps stay inside the operand, and the rows in their room.
        unsafe {
            if across == 1 && rows > 1 {
                transpose::exact(simd, columns, rows, from, along, to, pitch as isize);
            } else {
                for r in 0..rows {
                    gather(from.offset(r as isize * across), along, to.add(r * pitch), columns);
                }
            }
        }
    }
}

/// Puts the rows of a result where they belong.
struct Put<T> {
    part: Part,
    from: *const T,
    to: *mut T,
    /// Along a row, and across.
    steps: [isize; 2],
}

impl<T: Copy> Kernel for Put<T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { part: Part { rows, columns, pitch }, from, to, steps: [along, across] } = self;
        // SAFETY: the steps stay inside the output.
        unsafe {
            if across == 1 && rows > 1 {
                transpose::exact(simd, rows, columns, from, pitch as isize, to, along);
            } else {
                for r in 0..rows {
                    scatter(from.add(r * pitch), to.offset(r as isize * across), along, columns);
                }
            }
        }
    }
}
