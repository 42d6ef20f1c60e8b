//! The places of a user's secrets.

use std::path::{Path, PathBuf};

/// Places below a home that programs keep keys, passwords and logins in.
pub const SECRET_PLACES: [&str; 30] = [
    ".ssh",
    ".aws",
    ".azure",
    ".gnupg",
    ".kube",
    ".password-store",
    ".config/gh",
    ".config/glab-cli",
    ".config/hub",
    ".config/gcloud",
    ".config/op",
    ".config/rclone",
    ".config/sops",
    ".config/git/credentials",
    ".config/google-chrome",
    ".config/chromium",
    ".mozilla",
    ".thunderbird",
    ".local/share/keyrings",
    ".local/share/kwalletd",
    ".netrc",
    ".git-credentials",
    ".pgpass",
    ".pypirc",
    ".vault-token",
    ".docker",
    ".cargo/credentials",
    ".cargo/credentials.toml",
    ".gem/credentials",
    ".terraform.d/credentials.tfrc.json",
];

/// The places of secrets of a user: those below the home, and where sockets of the session are.
pub fn secret_places(home: Option<&Path>, session: Option<&Path>) -> Vec<PathBuf> {
    let below = home.into_iter().flat_map(|home| SECRET_PLACES.map(|place| home.join(place)));
    below.chain(session.map(Path::to_path_buf)).collect()
}
