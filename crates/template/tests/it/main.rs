mod functions;
mod hostile;
mod language;
mod manual;
mod outside;
mod proxy;
mod world;
