mod infer;
mod occupied;
