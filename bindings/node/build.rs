//! Lets the addon's undefined symbols be found in the node executable.

fn main() {
    napi_build::setup();
}
