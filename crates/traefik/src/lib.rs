//! traefik
