//! The sandbox is a program of its own with a table of its own: it must agree with the library's.

use dodo_core::money::Currency;

/// All codes of three letters: whichever either table knows is among them.
#[test]
fn sandbox_knows_decimals_of_every_currency() {
    let letters = || b'A'..=b'Z';
    let codes = letters()
        .flat_map(|a| letters().flat_map(move |b| letters().map(move |c| [a, b, c])))
        .map(|code| String::from_utf8(code.to_vec()).unwrap());
    let mut other_than_two = 0;
    for code in codes {
        let exponent = u32::from(code.parse::<Currency>().unwrap().exponent());
        assert_eq!(dodo_sandbox::decimals(&code), exponent, "{code}");
        other_than_two += u32::from(exponent != 2);
    }
    assert_eq!(other_than_two, 27, "currencies without two decimals");
}
