//! What `userline dev` allows, and nobody else.

use super::*;

#[test]
fn development_believes_everybody_on_loopback_only() {
    let dev = |public: &str| Dev {
        public: public.parse().unwrap(),
        admin: "127.0.0.1:0".parse().unwrap(),
        data_dir: "/tmp/x".into(),
        client_dir: None,
        hook_urls: vec!["http://127.0.0.1:9/hook".to_owned(), "http://localhost:9/".to_owned()],
        key: SECRET.to_owned(),
        hook_secret: "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3".to_owned(),
    };

    let config = Config::dev(Sources::new(), dev("127.0.0.1:0")).unwrap();
    let refused = Config::dev(Sources::new(), dev("0.0.0.0:4000")).unwrap_err();

    assert!(matches!(config.auth.mode, AuthMode::Trust));
    assert_eq!(config.listen.origins, Origins::Local);
    assert_eq!(config.presence.grace, Duration::from_secs(5));
    assert_eq!(config.admin.keys[0].scopes, Scope::ALL);
    assert_eq!(config.hooks.endpoints[1].name, "dev-2");
    assert!(config.hooks.allow_private);
    assert!(refused.to_string().starts_with("auth.mode = \"trust\": believes every client"));
    // The page with its key is no less private, however its address is said.
    for (admin, flag) in [("0.0.0.0:4001", None), ("127.0.0.1:0", Some("[::]:4001"))] {
        let dev = Dev { admin: admin.parse().unwrap(), ..dev("127.0.0.1:0") };
        let flags = flag.map(|it| Sources::new().with_flag("--set", "listen.admin", it));
        let refused = Config::dev(flags.unwrap_or_default(), dev).unwrap_err().to_string();
        assert!(refused.starts_with("listen.admin = "), "{refused}");
        assert!(refused.contains("must be on loopback"), "{refused}");
    }
}

#[test]
fn trust_is_refused_outside_of_dev_and_config_show_says_so() {
    let sources = with_secret().with_flag("--set auth.mode", "auth.mode", "trust").with_flag(
        "--set listen.public",
        "listen.public",
        "127.0.0.1:4000",
    );

    let [loaded, shown] = [Config::load(&sources).unwrap_err(), show(&sources).unwrap_err()];

    assert_eq!(loaded, shown);
    assert!(loaded.to_string().contains("only in `userline dev`"), "{loaded}");
}
