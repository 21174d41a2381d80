//! Every method of every level against plain scalars.
use super::*;
use half::{bf16, f16};

const F32: [f32; 24] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    1.5,
    2.5,
    -2.5,
    3.3,
    -7.7,
    1e-40,
    -1e-45,
    3.4e38,
    -3.4e38,
    8388609.0,
    1e10,
    0.1,
    -0.3,
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::NAN,
    f32::MIN_POSITIVE,
    123456.7,
    -0.49999997,
];

trait Scalar: Float {
    fn bits(self) -> u64;
    fn of_bits(bits: u64) -> Self;
    fn fused(self, b: Self, c: Self) -> Self;
    fn unary(self) -> [(&'static str, Self); 5];
}
macro_rules! scalar {
    ($($ty:ident $bits:ident),+) => { $(
        impl Scalar for $ty {
            fn bits(self) -> u64 {
                // Which NaN an operation gives is the machine's choice.
                if self.is_nan() { u64::MAX } else { self.to_bits().into() }
            }
            fn of_bits(bits: u64) -> Self {
                Self::from_bits(bits as $bits)
            }
            fn fused(self, b: Self, c: Self) -> Self {
                self.mul_add(b, c)
            }
            fn unary(self) -> [(&'static str, Self); 5] {
                [("neg", -self), ("abs", self.abs()), ("sqrt", self.sqrt()), ("round", self.round_ties_even()),
                 ("floor", self.floor())]
            }
        }
    )+ };
}
scalar!(f32 u32, f64 u64);

fn spill<V: FloatVec>(v: V) -> Vec<V::Elem> {
    let mut out = vec![V::Elem::default(); MAX_LANES];
    // SAFETY: the buffer holds the widest vector.
    unsafe { v.store(out.as_mut_ptr()) };
    out.truncate(V::LANES);
    out
}

struct Methods<T>([T; 3]);

impl<
    T: Scalar
        + std::ops::Add<Output = T>
        + std::ops::Sub<Output = T>
        + std::ops::Mul<Output = T>
        + std::ops::Div<Output = T>,
> Kernel for Methods<T>
{
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let [x, y, z] = self.0;
        // The interesting lane goes through every position.
        for lane in 0..T::Vec::<S>::LANES {
            let mut buffer = [T::from_f64(7.0); MAX_LANES];
            buffer[lane] = x;
            // SAFETY: the buffer holds the widest vector.
            let a: T::Vec<S> = unsafe { FloatVec::load(simd, buffer.as_ptr()) };
            let (b, c) = (T::Vec::<S>::splat(simd, y), T::Vec::<S>::splat(simd, z));
            let check = |name: &str, got: T::Vec<S>, want: T| {
                let got = spill(got)[lane];
                assert_eq!(
                    got.bits(),
                    want.bits(),
                    "{} {name} of {x:?} {y:?} {z:?}: {got:?}, not {want:?}",
                    S::LEVEL
                );
            };
            for ((name, want), got) in
                x.unary().into_iter().zip([-a, a.abs(), a.sqrt(), a.round(), a.floor()])
            {
                check(name, got, want);
            }
            check("add", a + b, x + y);
            check("sub", a - b, x - y);
            check("mul", a * b, x * y);
            check("div", a / b, x / y);
            // `x` is in one lane, and `y` in all of the other's.
            let piece = 16 / size_of::<T>();
            let (first, i) = (lane / piece * piece, lane % piece);
            let (low, high) = a.zip(b);
            let half = spill(if i < piece / 2 { low } else { high });
            assert_eq!(half[first + 2 * (i % (piece / 2))].bits(), x.bits(), "{} zip", S::LEVEL);
            assert_eq!(half[first + 2 * (i % (piece / 2)) + 1].bits(), y.bits(), "{} zip", S::LEVEL);
            check("max", a.max(b), if x > y { x } else { y });
            check("min", a.min(b), if x < y { x } else { y });
            check("fma", a.fma(b, c), x.fused(y, z));
            let minus = |v: T| v.unary()[0].1;
            if S::LEVEL == Level::Portable {
                check("mul_add", a.mul_add(b, c), x * y + z);
                check("neg_mul_add", a.neg_mul_add(b, c), minus(x) * y + z);
                check("mul_sub", a.mul_sub(b, c), x * y - z);
            } else {
                check("mul_add", a.mul_add(b, c), x.fused(y, z));
                check("neg_mul_add", a.neg_mul_add(b, c), minus(x).fused(y, z));
                check("mul_sub", a.mul_sub(b, c), x.fused(y, minus(z)));
            }
            let (one, zero) = (a.lit(1.0), a.lit(0.0));
            let truth = |name: &str, mask: <T::Vec<S> as FloatVec>::Mask, want: bool| {
                let want = T::from_f64(want as u8 as f64);
                check(name, T::Vec::<S>::select(mask, one, zero), want);
            };
            truth("gt", a.gt(b), x > y);
            truth("ge", a.ge(b), x >= y);
            truth("lt", a.lt(b), x < y);
            truth("le", a.le(b), x <= y);
            truth("equals", a.equals(b), x == y);
            #[allow(clippy::eq_op)]
            truth("is_nan", a.is_nan(), x != x);
            truth("and", a.gt(b) & a.ge(c), x > y && x >= z);
            truth("or", a.gt(b) | a.ge(c), x > y || x >= z);
            truth("not", !a.gt(b), !matches!(x.partial_cmp(&y), Some(std::cmp::Ordering::Greater)));
            let unusual = a.equals(a.lit(7.0));
            let (any, all) = (x == T::from_f64(7.0) || T::Vec::<S>::LANES > 1, x == T::from_f64(7.0));
            assert_eq!((unusual.any(), unusual.all()), (any, all));
            assert!(!a.gt(a).any() && (!a.gt(a)).all());
            let sign = if y.bits() != u64::MAX { y } else { T::from_f64(1.0) };
            if y.bits() != u64::MAX {
                let magnitude = x.unary()[1].1;
                let negative = sign.to_f64().is_sign_negative();
                check("copysign", a.copysign(b), if negative { minus(magnitude) } else { magnitude });
            }
            check(
                "patch",
                a.patch(unusual, a, |_| T::from_f64(1.0)),
                if x == T::from_f64(7.0) { T::from_f64(1.0) } else { x },
            );

            // Integers, on the bits of finite numbers.
            let (p, q) = (a.abs().to_bits(), b.abs().to_bits());
            let (m, n) = (x.unary()[1].1.bits(), y.unary()[1].1.bits());
            if m == u64::MAX || n == u64::MAX {
                continue;
            }
            type Of<T, S> = <T as Float>::Vec<S>;
            let ints = |name: &str, got: <Of<T, S> as FloatVec>::Int, want: u64| {
                check(name, Of::<T, S>::from_bits(got), T::of_bits(want));
            };
            ints("int add", p + q, m.wrapping_add(n));
            ints("int sub", p - q, m.wrapping_sub(n));
            ints("and", p & q, m & n);
            ints("or", p | q, m | n);
            ints("xor", p ^ q, m ^ n);
            ints("shl", p.shl(3), m << 3);
            ints("shr", p.shr(3), m >> 3);
            ints("splat", p.lit(m), m);
            let table = std::array::from_fn(|i| 0.37 * i as f32 - 2.0);
            check("look_up", T::Vec::<S>::look_up(&table, p), T::from_f64(table[m as usize & 15].into()));
            truth("int equals", p.equals(q), m == n);
            truth("int gt", p.gt(q), m > n);
            truth("int gt is signed", (p.lit(0) - p.lit(1)).gt(p), false);
            ints("int select", <Of<T, S> as FloatVec>::Int::select(a.gt(b), p, q), if x > y { m } else { n });
        }
    }
}

#[test]
fn methods_agree_with_scalars() {
    for level in available() {
        for x in F32 {
            for y in F32 {
                dispatch_at(level, Methods([x, y, 0.25]));
                let widen = |v: f32| v as f64 * 1.000000001;
                dispatch_at(level, Methods([widen(x), widen(y), -3.75]));
            }
        }
    }
}

struct Partial<T>(T);

impl<T: Scalar> Kernel for Partial<T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for n in 0..=T::Vec::<S>::LANES {
            // Exactly n elements, so that reading or writing beyond would leave the allocation.
            let input: Vec<T> = (0..n).map(|i| T::from_f64(i as f64 + 1.0)).collect();
            // SAFETY: n elements are there.
            let v: T::Vec<S> = unsafe { FloatVec::load_first(simd, input.as_ptr(), n) };
            let all = spill(v);
            assert_eq!(&all[..n], &input[..]);
            let rest: Vec<T> = (n..T::Vec::<S>::LANES).map(|i| T::from_f64(-(i as f64))).collect();
            // SAFETY: as many elements are there, and the rest.
            let v: T::Vec<S> = unsafe { FloatVec::load_joined(simd, input.as_ptr(), n, rest.as_ptr()) };
            assert_eq!(&spill(v)[..T::Vec::<S>::LANES], &[&input[..], &rest[..]].concat()[..]);
            assert!(all[n..].iter().all(|&x| x == T::default()));
            let mut output = vec![T::from_f64(-1.0); MAX_LANES];
            // SAFETY: the output is larger.
            unsafe { v.store_first(output.as_mut_ptr(), n) };
            assert_eq!(&output[..n], &input[..]);
            assert!(output[n..].iter().all(|&x| x == T::from_f64(-1.0)), "{}", S::LEVEL);
        }
        let lanes = T::Vec::<S>::LANES;
        let width = 16 / size_of::<T>();
        for i in 0..lanes / width {
            let part = spill(T::Vec::<S>::numbers(simd).nth_128(i));
            let numbers: Vec<T> = (i * width..(i + 1) * width).map(|i| T::from_f64(i as f64)).collect();
            assert_eq!(&part[..width], &numbers[..], "{}", S::LEVEL);
            let mut stored = vec![T::default(); width];
            // SAFETY: exactly 128 bits are there.
            unsafe { T::Vec::<S>::numbers(simd).nth_128(i).store_128(stored.as_mut_ptr()) };
            assert_eq!(stored, numbers, "{}", S::LEVEL);
        }
        let input: Vec<T> = (1..2 * lanes).map(|i| T::from_f64(i as f64)).collect();
        // SAFETY: so many elements are there.
        let v: T::Vec<S> = unsafe { FloatVec::load_every_second(simd, input.as_ptr()) };
        let odd: Vec<T> = input.into_iter().step_by(2).collect();
        assert_eq!(&spill(v)[..lanes], &odd[..], "{}", S::LEVEL);
    }
}

#[test]
fn partial_loads_and_stores_stop_where_told() {
    for level in available() {
        dispatch_at(level, Partial(0.0f32));
        dispatch_at(level, Partial(0.0f64));
    }
}

struct Words(u32, u32);

impl Kernel for Words {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let lanes = <S::U32 as WordVec>::LANES;
        assert_eq!(lanes, S::F32::LANES);
        let a: Vec<u32> = (0..16).map(|i| self.0.wrapping_mul(2 * i + 1)).collect();
        let mut halves = vec![0u16; 16];
        let (mut high, mut low) = (vec![0u32; 16], vec![0u32; 16]);
        // SAFETY: the buffers hold the widest vector.
        unsafe {
            let v: S::U32 = WordVec::load(simd, a.as_ptr());
            let (h, l) = v.mul_wide(v.lit(self.1.into()));
            h.store(high.as_mut_ptr());
            l.store(low.as_mut_ptr());
            v.store_u16(halves.as_mut_ptr());
            let back: S::U32 = WordVec::load_u16(simd, halves.as_ptr());
            let wanted = v & v.lit(0xffff);
            assert!(back.equals(wanted).all());
            assert_eq!(spill(v.to_f32()), a[..lanes].iter().map(|&x| x as i32 as f32).collect::<Vec<_>>());
            for n in 0..=lanes {
                let mut out = vec![0u16; n];
                v.store_u16_first(out.as_mut_ptr(), n);
                assert_eq!(out, halves[..n]);
                let mut all = vec![9u32; 16];
                S::U32::load_u16_first(simd, out.as_ptr(), n).store(all.as_mut_ptr());
                assert!((0..lanes).all(|i| all[i] == if i < n { halves[i].into() } else { 0 }));
            }
        }
        for i in 0..lanes {
            let product = a[i] as u64 * self.1 as u64;
            assert_eq!((high[i], low[i]), ((product >> 32) as u32, product as u32));
        }
    }
}

#[test]
fn words_multiply_and_pack() {
    for level in available() {
        for (a, b) in [(1, 2), (0xffff_ffff, 0xffff_ffff), (0xd251_1f53, 0x9e37_79b9), (0x8000_8000, 3)] {
            dispatch_at(level, Words(a, b));
        }
    }
}

struct Convert<'a, T>(&'a [T], &'a [f32], &'a mut [f32], &'a mut [T]);

impl<T: FloatElem<Compute = f32>> Kernel for Convert<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let lanes = S::F32::LANES;
        // SAFETY: whole vectors within the slices, then what remains.
        unsafe {
            let mut i = 0;
            while i + lanes <= self.0.len() {
                T::load(simd, self.0.as_ptr().add(i)).store(self.2.as_mut_ptr().add(i));
                i += lanes;
            }
            T::load_first(simd, self.0.as_ptr().add(i), self.0.len() - i)
                .store_first(self.2.as_mut_ptr().add(i), self.0.len() - i);
            let mut i = 0;
            while i + lanes <= self.1.len() {
                T::store(simd, S::F32::load(simd, self.1.as_ptr().add(i)), self.3.as_mut_ptr().add(i));
                i += lanes;
            }
            let rest = self.1.len() - i;
            T::store_first(
                simd,
                S::F32::load_first(simd, self.1.as_ptr().add(i), rest),
                self.3.as_mut_ptr().add(i),
                rest,
            );
        }
    }
}

/// Widens every 16-bit pattern and narrows many floats, against the `half` crate.
fn converts<T: FloatElem<Compute = f32>>(of_bits: fn(u16) -> T, bits: fn(T) -> u16, soft: fn(f32) -> u16) {
    let halves: Vec<T> = (0..=u16::MAX).map(of_bits).collect();
    let mut floats: Vec<f32> = (0..=u32::MAX).step_by(65_521).map(f32::from_bits).collect();
    // Around every 16-bit value lie the ties.
    for &h in &halves {
        let centre = h.widen().to_bits();
        floats.extend(
            [0x7ff, 0x800, 0xfff, 0x1000, 0x1001, 0x7fff, 0x8000, 0x8001]
                .map(|d| f32::from_bits(centre.wrapping_add(d))),
        );
    }
    for level in available() {
        let mut wide = vec![0.0; halves.len()];
        let mut narrow = vec![of_bits(0); floats.len()];
        dispatch_at(level, Convert(&halves, &floats, &mut wide, &mut narrow));
        for (h, w) in halves.iter().zip(&wide) {
            assert!(
                h.widen().to_bits() == w.to_bits() || (h.widen().is_nan() && w.is_nan()),
                "{level} {:#x}",
                bits(*h)
            );
        }
        for (f, n) in floats.iter().zip(&narrow) {
            assert_eq!(bits(*n), soft(*f), "{level} narrows {f:?} ({:#x})", f.to_bits());
        }
    }
}

#[test]
fn sixteen_bit_floats_convert_exactly() {
    converts(bf16::from_bits, bf16::to_bits, |x| bf16::from_f32(x).to_bits());
    converts(f16::from_bits, f16::to_bits, |x| f16::from_f32_const(x).to_bits());
}
