mod functions;
mod hostile;
mod language;
mod outside;
mod proxy;
mod world;
