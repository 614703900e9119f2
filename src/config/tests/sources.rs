//! Variables and flags: which one counts, and what it means.

use super::*;

#[test]
fn flags_win_over_variables_and_variables_over_the_file() {
    let file =
        file("[presence]\ngrace = \"1s\"\nstartup_grace = \"1s\"\nsweep_interval = \"1s\"\n");
    let vars = [
        ("USERLINE__PRESENCE__STARTUP_GRACE", "2s"),
        ("USERLINE__PRESENCE__SWEEP_INTERVAL", "2s"),
        ("USERLINE_KEY", "of no concern"),
    ];
    let sources = with_secret()
        .with_file(file.path())
        .with_environment(environment(&vars))
        .with_flag("--set presence.sweep_interval", "presence.sweep_interval", "3s");

    let presence = Config::load(&sources).unwrap().presence;

    assert_eq!(presence.grace, Duration::from_secs(1));
    assert_eq!(presence.startup_grace, Duration::from_secs(2));
    assert_eq!(presence.sweep_interval, Duration::from_secs(3));
}

#[test]
fn a_variable_that_misses_an_underscore_is_refused_with_its_right_name() {
    let vars = [
        ("USERLINE_PRESENCE__GRACE", "1s"),
        ("USERLINE_PORT_4000_TCP_ADDR", "of an orchestrator"),
        ("USERLINE_URL", "of the commands"),
    ];

    let errors =
        Config::load(&with_secret().with_environment(environment(&vars))).unwrap_err().to_string();

    let said = "USERLINE_PRESENCE__GRACE: is not a setting: did you mean `USERLINE__PRESENCE__GRACE`? \
                (USERLINE_PRESENCE__GRACE)";
    assert_eq!(errors, said);
}

#[test]
fn a_variable_means_what_its_key_makes_of_it() {
    let keys = format!(r#"[{{name="ops", key="{SECRET}", scopes=["read"]}}]"#);
    let vars = [
        ("USERLINE__AUTH__JWT__SECRET", "01234567890123456789012345678901"),
        ("USERLINE__LIMITS__CONNECTIONS", "5"),
        ("USERLINE__LIMITS__PAYLOAD", "2048"),
        ("USERLINE__HOOKS__ALLOW_PRIVATE", "true"),
        ("USERLINE__SOCKETIO__NAMESPACES", "/, /chat"),
        ("USERLINE__LISTEN__ORIGINS", "[\"*\"]"),
        ("USERLINE__ADMIN__KEYS", keys.as_str()),
    ];

    let config = Config::load(&Sources::new().with_environment(environment(&vars))).unwrap();

    let AuthMode::Jwt(jwt) = config.auth.mode else { panic!() };
    let JwtKeys::Static(keys) = &jwt.keys else { panic!() };
    let JwtKey::Secret(secret) = &keys[0].key else {
        panic!("the secret stands in a variable");
    };
    assert_eq!(secret.expose(), b"01234567890123456789012345678901");
    assert_eq!((config.limits.connections, config.limits.payload_bytes), (5, 2048));
    assert!(config.hooks.allow_private);
    assert_eq!(config.socketio.namespaces.len(), 2);
    assert_eq!(config.listen.origins, Origins::Any);
    assert_eq!(config.admin.keys[0].name, "ops");
    assert_eq!(config.admin.keys[0].scopes, [Scope::Read]);
}
