mod quiescence;
mod told;
