//! Named texts in; every diagnostic, or the compiled configuration
