//! Relations; all but [`Ne`] are false where either side is NaN.
use crate::map::Comparison;

macro_rules! relations {
    ($($(#[$doc:meta])* $name:ident $op:tt;)+) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $name;
        impl Comparison for $name {
            #[inline(always)]
            fn holds<T: PartialOrd>(self, a: T, b: T) -> bool {
                a $op b
            }
        }
    )+ };
}

relations! {
    /// `a == b`
    Eq ==;
    /// `a != b`
    Ne !=;
    /// `a < b`
    Lt <;
    /// `a <= b`
    Le <=;
    /// `a > b`
    Gt >;
    /// `a >= b`
    Ge >=;
}
