//! What a vector can do: the traits that formulas and kernels are written against.
//!
//! Everything here is exactly defined (IEEE results, or the stated selection between operands), so a formula
//! gives the same bits at every level. [`FloatVec::mul_add`] alone may round twice at the portable level.
use super::Level;
use std::fmt::Debug;
use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Neg, Not, Sub};

/// The most lanes a vector of any level has: room for a spilled vector is `[T; MAX_LANES]`.
pub const MAX_LANES: usize = 16;

/// A computation to be run at some level. Mark `run`, and whatever it calls with vectors in hand,
/// `#[inline(always)]`, and pass no vectors through closures: only code that is inlined gets the level's instructions.
pub trait Kernel {
    /// What it computes.
    type Output;
    /// The computation.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// A token: who holds one runs on a machine with the level's instructions.
pub trait Simd: Copy + Debug + Send + Sync + 'static {
    /// The level it stands for.
    const LEVEL: Level;
    /// Vectors of 32-bit words.
    type U32: WordVec<Token = Self>;
    /// Vectors of `f32`, as many lanes as `U32`.
    type F32: FloatVec<Elem = f32, Token = Self, Int = Self::U32>;
    /// Vectors of `f64`.
    type F64: FloatVec<Elem = f64, Token = Self>;
    /// The level of vectors half as wide, where the machine has one; else itself.
    type Half: Simd;
    /// Its token.
    fn half(self) -> Self::Half;
    /// The token, where the machine supports the level.
    fn new() -> Option<Self>;
    /// The token without asking the machine.
    ///
    /// # Safety
    /// The machine supports the level.
    unsafe fn new_unchecked() -> Self;
    /// Runs a kernel in a function compiled for the level.
    fn vectorize<K: Kernel>(self, kernel: K) -> K::Output;
    /// The same with the level's instruction for [`FloatVec::dot_pairs`].
    ///
    /// # Safety
    /// The machine [has it](super::has_fast_dot).
    #[inline(always)]
    unsafe fn vectorize_dot<K: Kernel>(self, kernel: K) -> K::Output {
        self.vectorize(kernel)
    }
}

/// The arithmetic of scalars.
pub trait Scalar:
    Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self> + Sized
{
}
impl Scalar for f32 {}
impl Scalar for f64 {}

/// A scalar that vectors hold: `f32` or `f64`.
pub trait Float: Copy + Debug + Default + PartialOrd + Scalar + Send + Sync + 'static {
    /// The vector of a level.
    type Vec<S: Simd>: FloatVec<Elem = Self, Token = S>;
    /// Explicit mantissa bits.
    const MANTISSA_BITS: u32;
    /// The exponent's bias.
    const BIAS: u32;
    /// The smallest number above zero that is not subnormal.
    const MIN_POSITIVE: Self;
    /// Whether this is `f64`: picks the longer polynomial where a formula has two.
    const IS_F64: bool;
    /// 0, 1, 2, ...: the numbers of lanes.
    const NUMBERS: &'static [Self; MAX_LANES];
    /// Rounded from `f64`.
    fn from_f64(value: f64) -> Self;
    /// Widened.
    fn to_f64(self) -> f64;
}

impl Float for f32 {
    type Vec<S: Simd> = S::F32;
    const MANTISSA_BITS: u32 = 23;
    const BIAS: u32 = 127;
    const MIN_POSITIVE: Self = f32::MIN_POSITIVE;
    const IS_F64: bool = false;
    const NUMBERS: &'static [Self; MAX_LANES] =
        &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0];
    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        value as f32
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self as f64
    }
}

impl Float for f64 {
    type Vec<S: Simd> = S::F64;
    const MANTISSA_BITS: u32 = 52;
    const BIAS: u32 = 1023;
    const MIN_POSITIVE: Self = f64::MIN_POSITIVE;
    const IS_F64: bool = true;
    const NUMBERS: &'static [Self; MAX_LANES] =
        &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0];
    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        value
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }
}

/// One truth value a lane.
pub trait Mask: Copy + BitAnd<Output = Self> + BitOr<Output = Self> + Not<Output = Self> {
    /// Whether any lane is set.
    fn any(self) -> bool;
    /// Whether every lane is set.
    fn all(self) -> bool;
}

/// A vector of floats.
pub trait FloatVec:
    Copy
    + 'static
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// A lane.
    type Elem: Float;
    /// The level's token.
    type Token: Simd;
    /// Integers of the same width.
    type Int: IntVec<Token = Self::Token, Mask = Self::Mask>;
    /// What comparisons give.
    type Mask: Mask;
    /// The number of lanes.
    const LANES: usize;

    /// The token: a vector exists only where one did.
    #[inline(always)]
    fn token(self) -> Self::Token {
        // SAFETY: every constructor of a vector takes the token, or another vector.
        unsafe { Self::Token::new_unchecked() }
    }
    /// All lanes `value`.
    fn splat(token: Self::Token, value: Self::Elem) -> Self;
    /// All lanes the constant `value`, rounded to the lane's type.
    #[inline(always)]
    fn lit(self, value: f64) -> Self {
        Self::splat(self.token(), Self::Elem::from_f64(value))
    }
    /// All lanes zero.
    #[inline(always)]
    fn zero(token: Self::Token) -> Self {
        Self::splat(token, Self::Elem::default())
    }
    /// In each lane its number.
    #[inline(always)]
    fn numbers(token: Self::Token) -> Self {
        // SAFETY: there are as many numbers as the widest vector has lanes.
        unsafe { Self::load(token, Self::Elem::NUMBERS.as_ptr()) }
    }
    /// Reads `LANES` elements.
    ///
    /// # Safety
    /// They are readable; any alignment of the element serves.
    unsafe fn load(token: Self::Token, ptr: *const Self::Elem) -> Self;
    /// Reads `n <= LANES` elements and nothing beyond them; the other lanes are zero.
    ///
    /// # Safety
    /// `n` elements are readable.
    unsafe fn load_first(token: Self::Token, ptr: *const Self::Elem, n: usize) -> Self;
    /// Reads `n <= LANES` elements at `ptr`, and at `rest` what other lanes hold.
    ///
    /// # Safety
    /// `n` elements are readable, and `LANES - n` at `rest`.
    #[inline(always)]
    unsafe fn load_joined(
        token: Self::Token,
        ptr: *const Self::Elem,
        n: usize,
        rest: *const Self::Elem,
    ) -> Self {
        let mut spill = [Self::Elem::default(); MAX_LANES];
        // SAFETY: the caller's promise; the array holds the widest vector.
        unsafe {
            std::ptr::copy_nonoverlapping(ptr, spill.as_mut_ptr(), n);
            std::ptr::copy_nonoverlapping(rest, spill.as_mut_ptr().add(n), Self::LANES - n);
            Self::load(token, spill.as_ptr())
        }
    }
    /// Reads every second one of `2 LANES - 1` elements.
    ///
    /// # Safety
    /// All of them are readable.
    #[inline(always)]
    unsafe fn load_every_second(token: Self::Token, ptr: *const Self::Elem) -> Self {
        let mut spill = [Self::Elem::default(); MAX_LANES];
        // SAFETY: the caller's promise; the array holds the widest vector.
        unsafe {
            for (lane, slot) in spill[..Self::LANES].iter_mut().enumerate() {
                *slot = *ptr.add(2 * lane);
            }
            Self::load(token, spill.as_ptr())
        }
    }
    /// Writes `LANES` elements.
    ///
    /// # Safety
    /// They are writable.
    unsafe fn store(self, ptr: *mut Self::Elem);
    /// Writes `n <= LANES` elements and nothing beyond them.
    ///
    /// # Safety
    /// `n` elements are writable.
    unsafe fn store_first(self, ptr: *mut Self::Elem, n: usize);
    /// Writes `LANES` elements past the caches where the level can and `ptr` is aligned to the vector;
    /// finish with [`stream_fence`](super::stream_fence).
    ///
    /// # Safety
    /// They are writable and `ptr` is aligned to the size of the vector.
    #[inline(always)]
    unsafe fn stream(self, ptr: *mut Self::Elem) {
        // SAFETY: the caller's promise.
        unsafe { self.store(ptr) }
    }

    /// `self * b + c`, rounded once (at the portable level: twice).
    fn mul_add(self, b: Self, c: Self) -> Self;
    /// `self * b + c`, rounded once at every level: for error-free products. Slow at the portable level.
    #[inline(always)]
    fn fma(self, b: Self, c: Self) -> Self {
        self.mul_add(b, c)
    }
    /// `c - self * b`, rounded as [`mul_add`](FloatVec::mul_add).
    #[inline(always)]
    fn neg_mul_add(self, b: Self, c: Self) -> Self {
        (-self).mul_add(b, c)
    }
    /// `self * b - c`, rounded as [`mul_add`](FloatVec::mul_add).
    #[inline(always)]
    fn mul_sub(self, b: Self, c: Self) -> Self {
        self.mul_add(b, -c)
    }
    /// `c` plus a product of pairs: each lane of `f32` holds two bfloat16. The odd (upper) ones are multiplied and added
    /// first, then the even ones, each with one rounding. A level's instruction may take subnormals for zero.
    ///
    /// # Safety
    /// It runs inside [`Simd::vectorize_dot`].
    #[inline(always)]
    unsafe fn dot_pairs(self, b: Self, c: Self) -> Self {
        let odd = |x: Self| Self::from_bits(x.to_bits() & c.to_bits().lit(0xffff_0000));
        let even = |x: Self| Self::from_bits(x.to_bits().shl(16));
        even(self).mul_add(even(b), odd(self).mul_add(odd(b), c))
    }
    /// The lanes of `f32` rounded to bfloat16, in the lower halves. A level's instruction may take subnormals for zero.
    ///
    /// # Safety
    /// It runs inside [`Simd::vectorize_dot`].
    #[inline(always)]
    unsafe fn round_bf16(self) -> Self::Int {
        super::narrow_bf16(self)
    }
    /// The sign bit cleared.
    fn abs(self) -> Self;
    /// `self > other ? self : other` in each lane: `other` where either is NaN or both are zeros.
    fn max(self, other: Self) -> Self;
    /// `self < other ? self : other` in each lane: `other` where either is NaN or both are zeros.
    fn min(self, other: Self) -> Self;
    /// The square root.
    fn sqrt(self) -> Self;
    /// The nearest integer, ties to even.
    fn round(self) -> Self;
    /// The largest integer not above.
    fn floor(self) -> Self;

    /// `self > other`, false for NaN.
    fn gt(self, other: Self) -> Self::Mask;
    /// `self >= other`, false for NaN.
    fn ge(self, other: Self) -> Self::Mask;
    /// `self < other`, false for NaN.
    #[inline(always)]
    fn lt(self, other: Self) -> Self::Mask {
        other.gt(self)
    }
    /// `self <= other`, false for NaN.
    #[inline(always)]
    fn le(self, other: Self) -> Self::Mask {
        other.ge(self)
    }
    /// `self == other`, false for NaN. (Named apart from `PartialEq::eq`.)
    fn equals(self, other: Self) -> Self::Mask;
    /// Whether a lane is NaN.
    #[inline(always)]
    fn is_nan(self) -> Self::Mask {
        !self.equals(self)
    }
    /// `mask ? a : b` in each lane.
    fn select(mask: Self::Mask, a: Self, b: Self) -> Self;

    /// The bits.
    fn to_bits(self) -> Self::Int;
    /// From bits.
    fn from_bits(bits: Self::Int) -> Self;
    /// The magnitude of `self` with the sign bit of `sign`.
    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        let signs = sign.lit(-0.0).to_bits();
        Self::from_bits(self.abs().to_bits() | (sign.to_bits() & signs))
    }
    /// Its 128 bits number `i` as the first; what follows them is not said.
    #[inline(always)]
    fn nth_128(self, i: usize) -> Self {
        let mut spill = [Self::Elem::default(); 2 * MAX_LANES];
        // SAFETY: the array holds the widest vector twice.
        unsafe {
            self.store(spill.as_mut_ptr());
            Self::load(self.token(), spill[i * (16 / size_of::<Self::Elem>())..].as_ptr())
        }
    }
    /// Writes its first 128 bits.
    ///
    /// # Safety
    /// They are writable.
    #[inline(always)]
    unsafe fn store_128(self, ptr: *mut Self::Elem) {
        let mut spill = [Self::Elem::default(); MAX_LANES];
        // SAFETY: the caller's promise; the array holds the widest vector.
        unsafe {
            self.store(spill.as_mut_ptr());
            ptr.copy_from_nonoverlapping(spill.as_ptr(), 16 / size_of::<Self::Elem>());
        }
    }
    /// In each 128 bits the lanes of both in turns, `self`'s first: of their first halves, and of their second.
    #[inline(always)]
    fn zip(self, other: Self) -> (Self, Self) {
        let (mut a, mut b) = ([Self::Elem::default(); MAX_LANES], [Self::Elem::default(); MAX_LANES]);
        let mut zipped = [[Self::Elem::default(); MAX_LANES]; 2];
        let piece = 16 / size_of::<Self::Elem>();
        // SAFETY: the arrays hold the lanes of the widest vector.
        unsafe {
            self.store(a.as_mut_ptr());
            other.store(b.as_mut_ptr());
            for lane in 0..Self::LANES {
                let (first, i) = (lane / piece * piece, lane % piece);
                let from = first + i / 2;
                for (half, zipped) in zipped.iter_mut().enumerate() {
                    zipped[lane] = if i % 2 == 0 { a } else { b }[from + half * piece / 2];
                }
            }
            let [low, high] = zipped;
            (Self::load(self.token(), low.as_ptr()), Self::load(self.token(), high.as_ptr()))
        }
    }
    /// In each lane the entry that the low four bits of the index name.
    #[inline(always)]
    fn look_up(table: &[f32; 16], index: Self::Int) -> Self {
        let low = index & index.lit(15);
        let mut found = Self::zero(index.token());
        for (i, &entry) in table.iter().enumerate() {
            found = Self::select(low.equals(index.lit(i as u64)), found.lit(entry.into()), found);
        }
        found
    }
    /// `2^self` for an integer whose power is a normal number.
    #[inline(always)]
    fn power_of_two(self) -> Self {
        // The sum's lowest bits are the integer + bias; the shift makes them the exponent and drops all else.
        let magic = 1.5 * (1u64 << Self::Elem::MANTISSA_BITS) as f64 + Self::Elem::BIAS as f64;
        Self::from_bits((self + self.lit(magic)).to_bits().shl(Self::Elem::MANTISSA_BITS))
    }
    /// `self 2^n`, rounded once, for an integer `n` of at most twice the exponents' range and a `self` near 1.
    #[inline(always)]
    fn scale(self, n: Self) -> Self {
        let half = (n * n.lit(0.5)).round();
        self * half.power_of_two() * (n - half).power_of_two()
    }
    /// Replaces the lanes of `self` set in `mask` by `f` of the lane of `x`: the way out for rare arguments.
    #[inline(always)]
    fn patch(self, mask: Self::Mask, x: Self, f: fn(Self::Elem) -> Self::Elem) -> Self {
        if !mask.any() {
            return self;
        }
        let chosen = Self::select(mask, x.lit(1.0), x.lit(0.0));
        let mut marks = [Self::Elem::default(); MAX_LANES];
        let mut values = [Self::Elem::default(); MAX_LANES];
        let mut args = [Self::Elem::default(); MAX_LANES];
        // SAFETY: the arrays hold the lanes of the widest vector.
        unsafe {
            chosen.store(marks.as_mut_ptr());
            self.store(values.as_mut_ptr());
            x.store(args.as_mut_ptr());
        }
        for lane in 0..Self::LANES {
            if marks[lane] != Self::Elem::default() {
                values[lane] = f(args[lane]);
            }
        }
        // SAFETY: as above.
        unsafe { Self::load(self.token(), values.as_ptr()) }
    }
}

/// A vector of unsigned integers, as wide as the floats whose bits they are. Arithmetic wraps.
pub trait IntVec:
    Copy
    + 'static
    + Add<Output = Self>
    + Sub<Output = Self>
    + BitAnd<Output = Self>
    + BitOr<Output = Self>
    + BitXor<Output = Self>
{
    /// The level's token.
    type Token: Simd;
    /// What comparisons give.
    type Mask: Mask;
    /// All lanes `value`, truncated to the lane.
    fn splat(token: Self::Token, value: u64) -> Self;
    /// The token: a vector exists only where one did.
    #[inline(always)]
    fn token(self) -> Self::Token {
        // SAFETY: every constructor of a vector takes the token, or another vector.
        unsafe { Self::Token::new_unchecked() }
    }
    /// All lanes the constant `value`, truncated to the lane.
    #[inline(always)]
    fn lit(self, value: u64) -> Self {
        Self::splat(self.token(), value)
    }
    /// Shifted left by `n` bits, fewer than the lane has.
    fn shl(self, n: u32) -> Self;
    /// Shifted right by `n` bits, fewer than the lane has; zeros come in.
    fn shr(self, n: u32) -> Self;
    /// Equal lanes.
    fn equals(self, other: Self) -> Self::Mask;
    /// Greater lanes, read as signed integers.
    fn gt(self, other: Self) -> Self::Mask;
    /// `mask ? a : b` in each lane.
    fn select(mask: Self::Mask, a: Self, b: Self) -> Self;
}

/// What 32-bit words alone do: wide products, and 16-bit memory.
pub trait WordVec: IntVec {
    /// The number of lanes.
    const LANES: usize;
    /// The high and the low half of each lane's 64-bit product.
    fn mul_wide(self, other: Self) -> (Self, Self);
    /// Each lane as a signed integer, converted to `f32`.
    fn to_f32(self) -> <Self::Token as Simd>::F32;
    /// Reads `LANES` words.
    ///
    /// # Safety
    /// They are readable.
    unsafe fn load(token: Self::Token, ptr: *const u32) -> Self;
    /// Writes `LANES` words.
    ///
    /// # Safety
    /// They are writable.
    unsafe fn store(self, ptr: *mut u32);
    /// Reads `LANES` half-words, zero-extended.
    ///
    /// # Safety
    /// They are readable.
    unsafe fn load_u16(token: Self::Token, ptr: *const u16) -> Self;
    /// Reads twice `LANES` half-words from each pointer: those of `low` become the lower halves, those of `high` the upper.
    ///
    /// # Safety
    /// They are readable.
    #[inline(always)]
    unsafe fn zip_u16(token: Self::Token, low: *const u16, high: *const u16) -> [Self; 2] {
        [0, Self::LANES].map(|j| {
            // SAFETY: the caller's promise.
            unsafe { Self::load_u16(token, low.add(j)) | Self::load_u16(token, high.add(j)).shl(16) }
        })
    }
    /// Reads `n <= LANES` half-words and nothing beyond them; the other lanes are zero.
    ///
    /// # Safety
    /// `n` half-words are readable.
    #[inline(always)]
    unsafe fn load_u16_first(token: Self::Token, ptr: *const u16, n: usize) -> Self {
        let mut spill = [0u16; MAX_LANES];
        // SAFETY: the caller's promise; the array holds the widest vector.
        unsafe {
            std::ptr::copy_nonoverlapping(ptr, spill.as_mut_ptr(), n);
            Self::load_u16(token, spill.as_ptr())
        }
    }
    /// Writes the low half of `LANES` lanes.
    ///
    /// # Safety
    /// `LANES` half-words are writable.
    unsafe fn store_u16(self, ptr: *mut u16);
    /// Writes the low half of `n <= LANES` lanes and nothing beyond them.
    ///
    /// # Safety
    /// `n` half-words are writable.
    #[inline(always)]
    unsafe fn store_u16_first(self, ptr: *mut u16, n: usize) {
        let mut spill = [0u16; MAX_LANES];
        // SAFETY: the caller's promise; the array holds the widest vector.
        unsafe {
            self.store_u16(spill.as_mut_ptr());
            std::ptr::copy_nonoverlapping(spill.as_ptr(), ptr, n);
        }
    }
}
