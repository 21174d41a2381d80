//! Attribute values as they come from outside (Python keywords, sample text), and the macro that
//! declares an op's attributes once for all who read them.
use retrograd_kernels::{MAX_RANK, Shape};

use crate::dtype::DType;
use crate::error::{Result, bail};

/// An attribute's value before its type is known.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A whole number.
    Int(i64),
    /// A real number.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// A name, such as a dtype's or a reduction's.
    Text(String),
    /// A list of whole numbers.
    Ints(Vec<i64>),
}

/// A type an attribute may have.
pub trait Attr: Sized {
    /// How the type is called in messages and listings.
    const KIND: &'static str;
    /// The attribute from a value; `None` where the value is of another kind.
    fn from_value(value: &Value) -> Option<Self>;
}

impl Attr for f64 {
    const KIND: &'static str = "float";
    fn from_value(value: &Value) -> Option<Self> {
        match *value {
            Value::Float(x) => Some(x),
            Value::Int(x) => Some(x as f64),
            _ => None,
        }
    }
}

impl Attr for bool {
    const KIND: &'static str = "bool";
    fn from_value(value: &Value) -> Option<Self> {
        match *value {
            Value::Bool(x) => Some(x),
            _ => None,
        }
    }
}

macro_rules! int_attrs {
    ($($t:ty),*) => {
        $(impl Attr for $t {
            const KIND: &'static str = "int";
            fn from_value(value: &Value) -> Option<Self> {
                match *value {
                    Value::Int(x) => x.try_into().ok(),
                    _ => None,
                }
            }
        })*
    };
}
int_attrs!(i64, isize, usize);

impl Attr for DType {
    const KIND: &'static str = "dtype";
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Text(name) => DType::from_name(name),
            _ => None,
        }
    }
}

impl Attr for Shape {
    const KIND: &'static str = "ints";
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Ints(list) if list.len() <= MAX_RANK => {
                let list: Option<Vec<usize>> = list.iter().map(|&d| usize::try_from(d).ok()).collect();
                Shape::from_slice(&list?)
            }
            Value::Int(d) => Shape::from_slice(&[usize::try_from(*d).ok()?]),
            _ => None,
        }
    }
}

/// A set of dimensions, each counted from the front.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct DimSet(u8);

impl DimSet {
    /// All dimensions of a tensor of that rank.
    pub fn all(rank: usize) -> Self {
        Self(((1u16 << rank) - 1) as u8)
    }

    /// The set with `dim` added.
    pub fn with(self, dim: usize) -> Self {
        Self(self.0 | 1 << dim)
    }

    /// Whether `dim` is in it.
    pub fn contains(self, dim: usize) -> bool {
        dim < MAX_RANK && self.0 & (1 << dim) != 0
    }

    /// The set for a tensor that has one more dimension in front.
    pub fn shifted(self) -> Self {
        Self(self.0 << 1)
    }

    /// Whether the members are the first so many dimensions.
    pub fn is_leading(self) -> bool {
        self.0 & self.0.wrapping_add(1) == 0
    }

    /// One past the largest member.
    pub fn end(self) -> usize {
        (u8::BITS - self.0.leading_zeros()) as usize
    }
}

impl Attr for DimSet {
    const KIND: &'static str = "dims";
    fn from_value(value: &Value) -> Option<Self> {
        let dims = Shape::from_value(value)?;
        dims.iter().try_fold(DimSet::default(), |set, &d| (d < MAX_RANK).then(|| set.with(d)))
    }
}

/// Reads the attributes of one op by name and reports what is missing, misspelt or of the wrong kind.
pub struct Reader<'a> {
    values: &'a [(&'a str, Value)],
    used: usize,
}

impl<'a> Reader<'a> {
    /// A reader of named values.
    pub fn new(values: &'a [(&'a str, Value)]) -> Self {
        Self { values, used: 0 }
    }

    /// The attribute of that name.
    pub fn take<T: Attr>(&mut self, name: &str) -> Result<T> {
        let Some((_, value)) = self.values.iter().find(|(n, _)| *n == name) else {
            bail!(DType, "the attribute '{name}' ({}) is missing", T::KIND);
        };
        self.used += 1;
        match T::from_value(value) {
            Some(value) => Ok(value),
            None => bail!(DType, "the attribute '{name}' takes a value of kind {}, not {value:?}", T::KIND),
        }
    }

    /// Fails where values were given that nobody took.
    pub fn finish(self, known: &[(&str, &str)]) -> Result<()> {
        if self.used < self.values.len() {
            let names = |list: &mut dyn Iterator<Item = &str>| list.collect::<Vec<_>>().join(", ");
            bail!(
                DType,
                "takes the attributes [{}], not [{}]",
                names(&mut known.iter().map(|k| k.0)),
                names(&mut self.values.iter().map(|v| v.0))
            );
        }
        Ok(())
    }
}

/// The attributes of an op: listed, and read from named values.
pub trait Attributes: Sized {
    /// Name and kind of each.
    const FIELDS: &'static [(&'static str, &'static str)];
    /// The op with the attributes the reader has.
    fn read(reader: Reader) -> Result<Self>;
}

/// Declares op structs with their attributes: `op! { /// docs  pub struct Slice { dim: isize } }`.
macro_rules! op {
    ($($(#[$doc:meta])* pub struct $name:ident { $($(#[$fdoc:meta])* $field:ident: $t:ty),* $(,)? })*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $name { $($(#[$fdoc])* pub $field: $t),* }

        impl $crate::ops::attrs::Attributes for $name {
            const FIELDS: &'static [(&'static str, &'static str)] =
                &[$((stringify!($field), <$t as $crate::ops::attrs::Attr>::KIND)),*];
            #[allow(unused_mut, reason = "an op without attributes reads none")]
            fn read(mut reader: $crate::ops::attrs::Reader) -> $crate::error::Result<Self> {
                let op = Self { $($field: reader.take(stringify!($field))?),* };
                reader.finish(Self::FIELDS)?;
                Ok(op)
            }
        }
    )* };
}
pub(crate) use op;

/// Declares a fieldless enum that is an attribute, known by its variants' names in lower case.
macro_rules! choice {
    ($(#[$doc:meta])* pub enum $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$vdoc])* $variant),* }

        impl $crate::ops::attrs::Attr for $name {
            const KIND: &'static str = concat!($($text, " "),*);
            fn from_value(value: &$crate::ops::attrs::Value) -> Option<Self> {
                match value {
                    $($crate::ops::attrs::Value::Text(t) if t == $text => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}
pub(crate) use choice;
