//! Tensors, operators, reverse-mode automatic differentiation and replay.
