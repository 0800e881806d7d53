//! Properties, see below.
