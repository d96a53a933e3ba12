//! The wiring mistakes that the compiler refuses, with the text that it shows.
//!
//! `TRYBUILD=overwrite cargo test -p dodo-axum --test compile_fail` writes the texts anew.

#[test]
fn wrong_wiring_is_a_compile_error_that_names_the_fix() {
    let programs = trybuild::TestCases::new();
    programs.pass("tests/ui/callbacks.rs");
    programs.compile_fail("tests/ui/*_fails.rs");
}
