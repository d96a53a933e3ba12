//! Declarations of plans, and the errors of wrong ones.

use dodo_billing::{ErrorKind, Plan, Plans, PlansBuilder, SoldProduct, days};

fn plans() -> PlansBuilder {
    Plans::builder()
}

#[test]
fn wrong_declaration_names_plan_and_action() {
    use ErrorKind as Kind;
    let pro = || Plan::new("pro").product("pdt_pro");
    let rows: Vec<(PlansBuilder, Kind, &str)> = vec![
        (
            plans().plan(Plan::new("")),
            Kind::InvalidName,
            r#"plan "": name "" is not a name: use 1 to 64 of A-Z a-z 0-9 _ - ."#,
        ),
        (
            plans().plan(pro().feature("a b")),
            Kind::InvalidName,
            r#"plan "pro": feature "a b" is not a name: use 1 to 64 of A-Z a-z 0-9 _ - ."#,
        ),
        (
            plans().plan(Plan::new("pro").product("pdt/1")),
            Kind::InvalidName,
            r#"plan "pro": "pdt/1" is not an id: copy it from the Dodo dashboard"#,
        ),
        (
            plans().plan(pro()).plan(Plan::new("pro")),
            Kind::DeclaredTwice,
            r#"plan "pro" is declared twice: remove or rename one"#,
        ),
        (
            plans().plan(pro()).plan(Plan::new("team").product("pdt_pro")),
            Kind::DeclaredTwice,
            r#"plan "team": pdt_pro also sells plan "pro": remove it from one plan"#,
        ),
        (
            plans().plan(pro()).product(SoldProduct::once("pdt_pro").feature("a")),
            Kind::DeclaredTwice,
            r#"product pdt_pro is declared twice in plan "pro": remove one"#,
        ),
        (
            plans().plan(pro().limit("seats", 3).seats("seats")),
            Kind::DeclaredTwice,
            r#"plan "pro": limit "seats" is declared twice: remove one"#,
        ),
        (
            plans().plan(pro().includes("basic")),
            Kind::UnknownPlan,
            r#"plan "pro" includes unknown plan "basic": declare it"#,
        ),
        (
            plans().product(SoldProduct::once("pdt_x").includes("basic")),
            Kind::UnknownPlan,
            r#"product pdt_x includes unknown plan "basic": declare it"#,
        ),
        (
            plans().plan(pro().includes("b")).plan(Plan::new("b").includes("pro")),
            Kind::IncludeCycle,
            r#"plan "b" includes itself: remove one `includes`"#,
        ),
        (
            plans().product(SoldProduct::once("pdt_x")),
            Kind::Empty,
            "product pdt_x gives nothing: add a feature, a limit or a plan",
        ),
        (
            plans().hold_grace(-days(1)),
            Kind::NegativeDuration,
            "hold_grace is negative: set zero or more",
        ),
        (
            plans().product(SoldProduct::once("pdt_x").feature("a").term(-days(1))),
            Kind::NegativeDuration,
            "product pdt_x: term is negative: set zero or more",
        ),
    ];
    for (builder, kind, text) in rows {
        let error = builder.build().unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (kind, text));
        assert!(text.len() < 100, "{text}");
    }
}

#[test]
fn products_of_one_plan_share_its_name() {
    let plan = Plan::new("pro").product("pdt_monthly").product("pdt_yearly");
    let plans = plans().plan(plan).build().unwrap();
    assert_eq!(plans.plan_of("pdt_monthly"), Some("pro"));
    assert_eq!(plans.plan_of("pdt_yearly"), Some("pro"));
    assert_eq!(plans.plan_of("pdt_other"), None);
}
