//! Doors: translate, decide, translate back
