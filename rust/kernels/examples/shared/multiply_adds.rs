//! What a core can do at most.
use retrograd_kernels::simd::{self, Float, FloatVec, Kernel, Level, Simd};
use std::hint::black_box;

/// Rounds of multiply-adds.
const ROUNDS: usize = 20_000;

/// `$rounds` multiply-adds on each of some named variables: an array of them would spill.
macro_rules! chains {
    ($simd:ident, $x:ident, $T:ty, $dot:expr; $($sum:ident)+) => {{
        $(let mut $sum = $x;)+
        for _ in 0..ROUNDS {
            // SAFETY: dot products are asked for only where the machine has them.
            $($sum = if $dot { unsafe { $x.dot_pairs($x, $sum) } } else { $x.mul_add($x, $sum) };)+
        }
        let total = <$T>::zero($simd) $(+ $sum)+;
        (total, [$(stringify!($sum)),+].len())
    }};
}

/// Multiply-adds whose operands never leave the registers; where `DOT`, of pairs of bfloat16.
pub struct MultiplyAdds<T, const DOT: bool>(pub T);

impl<T: Float, const DOT: bool> Kernel for MultiplyAdds<T, DOT> {
    /// How many floating-point operations were done.
    type Output = f64;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f64 {
        let x = T::Vec::<S>::splat(simd, self.0);
        // More than latency times pipes of any core, and no more than there are registers.
        let (total, count) = if matches!(S::LEVEL, Level::Avx512 | Level::Neon) {
            chains!(simd, x, T::Vec<S>, DOT; a b c d e f g h i j k l m n o p q r s t)
        } else {
            chains!(simd, x, T::Vec<S>, DOT; a b c d e f g h i j k l)
        };
        let mut lanes = [T::default(); simd::MAX_LANES];
        // SAFETY: the array holds the widest vector.
        unsafe { total.store(lanes.as_mut_ptr()) };
        black_box(lanes);
        let products = if DOT { 2 } else { 1 };
        (2 * ROUNDS * count * T::Vec::<S>::LANES * products) as f64
    }
}
