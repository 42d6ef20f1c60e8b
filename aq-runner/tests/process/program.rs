//! The probe's program, which cargo builds beside the examples: so no user of the crate gets it.

use std::sync::OnceLock;

/// The path of the probe, as text.
pub(crate) fn probe() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let built = test.parent().unwrap().with_file_name("examples");
        let path = built.join("aq-process-probe");
        assert!(
            path.exists(),
            "{}: `cargo build -p aq-runner --examples` makes it",
            path.display()
        );
        path.into_os_string().into_string().unwrap()
    })
}
