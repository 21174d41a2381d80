//! Rows of results that follow each other, while operands have gaps between rows, or are the same row for all, as in
//! `x - x.mean(0)`, or one element for each, as in `x - x.mean(1)`. Vectors go on from row to row: but for the first and the last
//! they are whole, and lie in one cache line of the result. By itself a row costs some sixty cycles, and vectors that lie
//! across two lines take twice the time.
use super::Formula;
use super::float::{GROUP, put};
use super::rows::Rows;
use crate::simd::{Float, FloatVec, Kernel, LINE, Simd, before_whole};

/// Elements of the shortest rows, for formulas that are computed so: where loads and stores are what takes time.
#[inline(always)]
pub(super) fn shortest<T, F: Formula<N>, const N: usize>() -> Option<usize> {
    (F::WEIGHT == 1 && N <= 2).then_some(LINE / size_of::<T>())
}

/// Where rows are such: which operand has one element for each, or `N` where none has.
#[inline(always)]
pub(super) fn column<T, F: Formula<N>, const N: usize>(rows: &Rows<T, T, N>) -> Option<usize> {
    let Rows { step, y_down, count, n, .. } = *rows;
    let fits = shortest::<T, F, N>().is_some_and(|shortest| n >= shortest);
    if !fits || count < 2 || y_down != n as isize || step.iter().any(|&step| step > 1) {
        return None;
    }
    let mut columns = (0..N).filter(|&k| step[k] == 0);
    let column = columns.next().unwrap_or(N);
    columns.next().is_none().then_some(column)
}

/// Such rows.
pub(super) struct Adjacent<T, F, const N: usize, const COLUMN: usize> {
    pub f: F,
    pub rows: Rows<T, T, N>,
}

impl<T: Float, F: Formula<N>, const N: usize, const COLUMN: usize> Kernel for Adjacent<T, F, N, COLUMN> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        // Nothing is left of this where nobody calls it.
        if shortest::<T, F, N>().is_none() {
            return;
        }
        let Rows { mut x, down, mut y, count, n, past, .. } = self.rows;
        let (lanes, numbers) = (T::Vec::<S>::LANES, T::Vec::<S>::numbers(simd));
        let mut at = before_whole(y, lanes * size_of::<T>(), n);
        // SAFETY: rows as `Rows` describes them, of at least a vector each.
        unsafe {
            let element = |x: [*const T; N]| {
                T::Vec::<S>::splat(simd, if COLUMN < N { *x[COLUMN] } else { T::default() })
            };
            let mut here = element(x);
            self.eval(here, |k| T::Vec::<S>::load_first(simd, x[k], at)).store_first(y, at);
            for r in 1.. {
                let whole = |at: usize| self.eval(here, |k| T::Vec::<S>::load(simd, x[k].add(at)));
                // As many are read before any is written: a load waits for a store that lies alike in its page.
                while at + GROUP * lanes <= n {
                    let mut values = [here; GROUP];
                    for (i, value) in values.iter_mut().enumerate() {
                        *value = whole(at + i * lanes);
                    }
                    for (i, value) in values.into_iter().enumerate() {
                        put(value, y.add(at + i * lanes), past);
                    }
                    at += GROUP * lanes;
                }
                while at + lanes <= n {
                    put(whole(at), y.add(at), past);
                    at += lanes;
                }
                let left = n - at;
                if r == count {
                    let last = self.eval(here, |k| T::Vec::<S>::load_first(simd, x[k].add(at), left));
                    return last.store_first(y.add(at), left);
                }
                let next = std::array::from_fn(|k| x[k].wrapping_offset(down[k]));
                let there = element(next);
                if left > 0 {
                    let both = T::Vec::<S>::select(numbers.lt(numbers.lit(left as f64)), here, there);
                    let value =
                        self.eval(both, |k| T::Vec::<S>::load_joined(simd, x[k].add(at), left, next[k]));
                    put(value, y.add(at), past);
                    at += lanes;
                }
                (x, here, y, at) = (next, there, y.add(n), at - n);
            }
        }
    }
}

impl<T: Float, F: Formula<N>, const N: usize, const COLUMN: usize> Adjacent<T, F, N, COLUMN> {
    /// The formula of a vector of the column's, and of what is loaded of each other operand.
    #[inline(always)]
    fn eval<V: FloatVec>(&self, element: V, load: impl Fn(usize) -> V) -> V {
        let mut v = [element; N];
        for k in (0..N).filter(|&k| k != COLUMN) {
            v[k] = load(k);
        }
        self.f.eval(v)
    }
}
