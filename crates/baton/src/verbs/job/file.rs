//! Reading a job file from disk, standard input or its text, with variables.
