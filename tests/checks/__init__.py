"""What the tests share: the samples' language, the gradient checker, subprocesses."""
