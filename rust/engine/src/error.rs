//! Typed errors. The Python layer maps each kind to the exception a user expects.
use std::any::Any;
use std::fmt;

/// What went wrong, in the terms of the Python exception it becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Shapes or values that do not fit: `ValueError`.
    Value,
    /// A dtype or type an operator does not take: `TypeError`.
    DType,
    /// An index or dimension out of range: `IndexError`.
    Index,
    /// A number that its dtype cannot hold: `OverflowError`.
    Overflow,
    /// Memory that is not to be had: `MemoryError`.
    Memory,
    /// Misuse of the autograd graph or of a recording: `RuntimeError`.
    Graph,
    /// Something not supported: `NotImplementedError`.
    Unsupported,
    /// Foreign code (a hook, a signal handler) raised: its own exception, in [`Error::payload`].
    Foreign,
}

/// An error that names the operator and says what to do.
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    op: Option<&'static str>,
    message: String,
    payload: Option<Box<dyn Any + Send + Sync>>,
}

/// The result of an engine call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind` with a message, not yet attributed to an operator.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, op: None, message: message.into(), payload: None }))
    }

    /// Wraps what foreign code raised, to be handed back unchanged.
    pub fn foreign(payload: impl Any + Send + Sync) -> Self {
        Self(Box::new(Inner {
            kind: Kind::Foreign,
            op: None,
            message: "foreign code raised".into(),
            payload: Some(Box::new(payload)),
        }))
    }

    /// Attributes the error to an operator, unless a more precise one is named already.
    pub fn in_op(mut self, op: &'static str) -> Self {
        self.0.op.get_or_insert(op);
        self
    }

    /// The kind of error.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Takes out what foreign code raised, if this is such an error.
    pub fn payload(self) -> Option<Box<dyn Any + Send + Sync>> {
        self.0.payload
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.op {
            Some(op) => write!(f, "{op}: {}", self.0.message),
            None => f.write_str(&self.0.message),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({self})", self.0.kind)
    }
}

impl std::error::Error for Error {}

/// `bail!(Value, "…")` returns an [`Error`] of that kind.
macro_rules! bail {
    ($kind:ident, $($message:tt)*) => {
        return Err($crate::error::Error::new($crate::error::Kind::$kind, format!($($message)*)))
    };
}
pub(crate) use bail;
