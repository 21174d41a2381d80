//! The matrix is close along `k`, or nowhere: vectors hold a piece of a column, a lane each chain.
use super::{ROUNDS, Tiles, block};
use crate::gemm::{GemmElem, Sum, Vector};
use crate::simd::{FloatVec, MAX_LANES, Simd};

/// The most vectors that hold a lane for each chain: four, of 128 bits.
const MAX_VECTORS: usize = 4;

/// Columns that share what is loaded of the vector, where they are long enough to fill vectors with sums of blocks.
const TOGETHER: usize = 4;

/// The chains of as many blocks as a vector has lanes.
type Chains<E, S> = [[Vector<E, S>; MAX_LANES]; MAX_VECTORS];

impl<E: GemmElem> Tiles<'_, E> {
    /// Sums up `n` columns from `first` on.
    ///
    /// # Safety
    /// They are inside the matrix, and fit the room.
    #[inline(always)]
    pub(super) unsafe fn columns<S: Simd>(&self, simd: S, first: usize, n: usize) {
        let lanes = Vector::<E, S>::LANES;
        let is_short = self.stretch.p.k * TOGETHER <= block::<Sum<E>>() * lanes;
        let mut done = 0;
        while done < n {
            let (j, left) = (first + done, n - done);
            // SAFETY: promised by the caller.
            unsafe {
                let to = self.sums.add(done);
                done += match lanes {
                    16 if left >= 16 && is_short => self.together::<S, 16>(simd, j, to),
                    8 if left >= 8 && is_short => self.together::<S, 8>(simd, j, to),
                    2 if left >= 2 => self.together::<S, 2>(simd, j, to),
                    4.. if left >= TOGETHER => self.together::<S, TOGETHER>(simd, j, to),
                    _ => self.together::<S, 1>(simd, j, to),
                };
            }
        }
    }

    /// Sums up `G` columns from `j` on, as many blocks at a time as fill a vector with sums.
    #[inline(always)]
    unsafe fn together<S: Simd, const G: usize>(&self, simd: S, j: usize, to: *mut Sum<E>) -> usize {
        let p = self.stretch.p;
        let is_close = p.a_cs == 1 && p.b_rs == 1;
        let (lanes, block) = (Vector::<E, S>::LANES, block::<Sum<E>>());
        let mut sums = [Sum::<E>::default(); G];
        let columns: [*const E; G] =
            std::array::from_fn(|g| p.b.get().wrapping_offset((j + g) as isize * p.b_cs));
        for k in (0..p.k).step_by(lanes / G * block) {
            let mut chains: Chains<E, S> = [[Vector::<E, S>::zero(simd); MAX_LANES]; MAX_VECTORS];
            for (i, k) in (k..p.k).step_by(block).take(lanes / G).enumerate() {
                // SAFETY: the block is inside the matrix.
                unsafe {
                    if is_close && k + block <= p.k {
                        self.chains::<S, G, true>(simd, k, columns, &mut chains, i * G);
                    } else {
                        self.chains::<S, G, false>(simd, k, columns, &mut chains, i * G);
                    }
                }
            }
            let mut blocks = [Sum::<E>::default(); MAX_LANES];
            // SAFETY: it holds the widest vector.
            unsafe { in_order::<S, E>(simd, chains).store(blocks.as_mut_ptr()) };
            for blocks in blocks[..lanes].chunks_exact(G) {
                for (sum, &block) in sums.iter_mut().zip(blocks) {
                    *sum = *sum + block;
                }
            }
        }
        // SAFETY: promised by the caller.
        unsafe { to.cast::<[Sum<E>; G]>().write(sums) };
        G
    }

    /// The chains of the block that begins at `k`, of each column; it is `WHOLE` and close, or it need not be.
    #[inline(always)]
    unsafe fn chains<S: Simd, const G: usize, const WHOLE: bool>(
        &self,
        simd: S,
        k: usize,
        columns: [*const E; G],
        chains: &mut Chains<E, S>,
        at: usize,
    ) {
        let (p, lanes) = (self.stretch.p, Vector::<E, S>::LANES);
        let load = |ptr: *const E, k: usize, stride: isize| {
            // SAFETY: inside the matrix.
            unsafe {
                if WHOLE {
                    E::load(simd, ptr.add(k))
                } else {
                    let n = p.k.saturating_sub(k).min(lanes);
                    first_of::<S, E>(simd, ptr.wrapping_offset(k as isize * stride), stride, n)
                }
            }
        };
        for (v, chains) in chains.iter_mut().enumerate().take(super::chains::<Sum<E>>() / lanes) {
            let mut sums = [Vector::<E, S>::zero(simd); G];
            for r in 0..ROUNDS {
                let k = k + r * super::chains::<Sum<E>>() + v * lanes;
                let x = load(p.a.get(), k, p.a_cs);
                for (sum, column) in sums.iter_mut().zip(columns) {
                    *sum = x.mul_add(load(column, k, p.b_rs), *sum);
                }
            }
            chains[at..at + G].copy_from_slice(&sums);
        }
    }
}

/// In each lane the sum of one block's chains, in order.
#[inline(always)]
fn in_order<S: Simd, E: GemmElem>(simd: S, chains: Chains<E, S>) -> Vector<E, S> {
    let lanes = Vector::<E, S>::LANES;
    let mut sum = Vector::<E, S>::zero(simd);
    for mut vectors in chains.into_iter().take(super::chains::<Sum<E>>() / lanes) {
        // Transposed by as many perfect shuffles as lanes have bits.
        for _ in 0..lanes.ilog2() {
            let from = vectors;
            for i in 0..lanes / 2 {
                (vectors[2 * i], vectors[2 * i + 1]) = from[i].zip(from[i + lanes / 2]);
            }
        }
        for vector in vectors.into_iter().take(lanes) {
            sum = sum + vector;
        }
    }
    sum
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
