//! Rows that follow each other, and a column with one element for each, as in `x - x.mean(1)`. Vectors go on from row to row:
//! but for the first and the last they are whole, and lie in one cache line of the result.
use super::Formula;
use super::float::GROUP;
use super::rows::Rows;
use crate::simd::{Float, FloatVec, Kernel, Level, Simd, before_whole};

/// Elements of the longest rows: longer ones are as quick by themselves.
const LONGEST: usize = 1024;

/// Elements of the shortest rows, a vector of them, if a formula has columns: where loads and stores are what takes time.
#[inline(always)]
pub(super) fn shortest<T, F: Formula<N>, const N: usize>(level: Level) -> Option<usize> {
    (N == 2 && F::WEIGHT == 1).then_some(level.vector_bytes() / size_of::<T>())
}

/// Which operand is the column, where rows are such.
#[inline(always)]
pub(super) fn column<T, F: Formula<N>, const N: usize>(level: Level, rows: &Rows<T, T, N>) -> Option<usize> {
    let Rows { step, down, y_down, count, n, past, .. } = *rows;
    let fits = shortest::<T, F, N>(level).is_some_and(|shortest| (shortest..=LONGEST).contains(&n));
    if !fits || count < 2 || past {
        return None;
    }
    let k = (0..N).find(|&k| step[k] == 0)?;
    let follow = step[1 - k] == 1 && down[1 - k] == n as isize && y_down == n as isize;
    follow.then_some(k)
}

/// Rows whose operand `K` is the column.
pub(super) struct Columns<T, F, const N: usize, const K: usize> {
    pub f: F,
    pub rows: Rows<T, T, N>,
}

impl<T: Float, F: Formula<N>, const N: usize, const K: usize> Kernel for Columns<T, F, N, K> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        // Nothing is left of this where nobody calls it.
        if shortest::<T, F, N>(S::LEVEL).is_none() {
            return;
        }
        let Rows { x, down, y, count, n, .. } = self.rows;
        let (lanes, numbers) = (T::Vec::<S>::LANES, T::Vec::<S>::numbers(simd));
        let (mut column, x) = (x[K], x[1 - K]);
        let eval = |element, other| {
            let mut v = [element; N];
            v[1 - K] = other;
            self.f.eval(v)
        };
        // SAFETY: rows as `Rows` describes them, of at least a vector each.
        unsafe {
            let load = |at: usize| T::Vec::<S>::load(simd, x.add(at));
            let part = |element, at: usize, n: usize| {
                eval(element, T::Vec::<S>::load_first(simd, x.add(at), n)).store_first(y.add(at), n);
            };
            let mut element = T::Vec::<S>::splat(simd, *column);
            let mut at = before_whole(y, lanes * size_of::<T>(), n);
            part(element, 0, at);
            for end in (1..=count).map(|rows| rows * n) {
                // As many are read before any is written: a load waits for a store that lies alike in its page.
                while at + GROUP * lanes <= end {
                    let values: [_; GROUP] = std::array::from_fn(|i| eval(element, load(at + i * lanes)));
                    for (i, value) in values.into_iter().enumerate() {
                        value.store(y.add(at + i * lanes));
                    }
                    at += GROUP * lanes;
                }
                while at + lanes <= end {
                    eval(element, load(at)).store(y.add(at));
                    at += lanes;
                }
                if end == count * n {
                    break;
                }
                column = column.wrapping_offset(down[K]);
                let next = T::Vec::<S>::splat(simd, *column);
                if at < end {
                    let is_here = numbers.lt(numbers.lit((end - at) as f64));
                    eval(T::Vec::<S>::select(is_here, element, next), load(at)).store(y.add(at));
                    at += lanes;
                }
                element = next;
            }
            part(element, at, count * n - at);
        }
    }
}
