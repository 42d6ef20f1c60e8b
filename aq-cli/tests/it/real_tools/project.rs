//! A project that such tools work on, and programs that say what they find in it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::sandbox::{Sandbox, skipped};

/// The files of the project. `check.sh RESULT` writes down what each tool finds.
const FILES: &[(&str, &str)] = &[
    ("package.json", "{\"name\": \"project\", \"version\": \"1.0.0\", \"private\": true}\n"),
    (".gitignore", "node_modules/\ntarget/\n"),
    ("src/ugly.js", "module.exports   =   (a) => {   return a+1 }\n"),
    ("src/ugly.test.js", "test('adds', () => { expect(require('./ugly')(1)).toBe(2) })\n"),
    ("src/bad.js", "var unused = 1\n"),
    (
        ".eslintrc.json",
        "{\"root\": true, \"parserOptions\": {\"ecmaVersion\": 2022}\
        , \"rules\": {\"no-unused-vars\": \"error\"}}\n",
    ),
    ("eslint.config.js", "module.exports = [{rules: {'no-unused-vars': 'error'}}]\n"),
    ("public/page.html", "<p>page</p>\n"),
    ("dep/package.json", "{\"name\": \"dep\", \"version\": \"1.0.0\"}\n"),
    ("Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]\nresolver = \"3\"\n"),
    (
        "crates/one/Cargo.toml",
        "[package]\nname = \"one\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    ),
    ("crates/one/src/lib.rs", "pub fn one() -> u8 {\n    1\n}\n"),
    ("serve.js", SERVE),
    ("watch.js", WATCH),
    ("check.sh", CHECK),
];

const SERVE: &str = r"const express = require(process.env.TOOLS + '/express')
const app = express()
app.use(express.static(__dirname + '/public'))
app.get('/file', (_, answer) => answer.sendFile(__dirname + '/public/page.html'))
const server = app.listen(0, '127.0.0.1', async () => {
  for (const path of ['/page.html', '/file']) {
    const answer = await fetch(`http://127.0.0.1:${server.address().port}${path}`)
    console.log(path, answer.status, (await answer.text()).trim())
  }
  process.exit()
})
";

/// Many projects have the watcher pass over dot files by this very rule, which sees whole paths.
const WATCH: &str = r"const fs = require('fs')
const watcher = require(process.env.TOOLS + '/chokidar').watch(__dirname, {
  ignored: /(^|[\/\\])\../, ignoreInitial: true,
})
const seen = __dirname + '/src/seen.txt'
setTimeout(() => { console.log('no event'); process.exit() }, 20000)
watcher.on('all', (event, path) => {
  if (path === seen) { console.log(event, 'seen.txt'); fs.unlinkSync(seen); process.exit() }
})
watcher.on('ready', () => fs.writeFileSync(seen, 'x'))
";

const CHECK: &str = r#"exec >$1 2>&1
relative() { sed "s|$PWD/||g"; }
echo "prettier: $(node $TOOLS/prettier/bin/prettier.cjs --list-different src public | tr '\n' ' ')"
findings() { grep -o '"filePath":"[^"]*"\|"errorCount":[0-9]*' | relative; }
eslint() { node $TOOLS/$1/bin/eslint.js --format json $2 | findings; }
echo "eslint8: $(ESLINT_USE_FLAT_CONFIG=false eslint eslint8 src | tr '\n' ' ')"
echo "eslint9: $(eslint eslint9 src | tr '\n' ' ')"
echo "jest lists: $(node $TOOLS/jest/bin/jest.js --watchman=false --listTests | relative)"
echo "jest: $(node $TOOLS/jest/bin/jest.js --watchman=false 2>&1 | grep '^Tests:')"
node serve.js
node watch.js
npm install --offline --no-audit --no-fund ./dep >/dev/null && echo "npm: $(ls node_modules)"
cargo new --quiet --vcs none --lib crates/two 2>/dev/null &&
  echo "cargo new: $(ls crates | tr '\n' ' ')"
cargo build --quiet --offline && echo "cargo build: $(ls target/debug/*.rlib | tr '\n' ' ')"
git status --porcelain
"#;

/// The directory into which npm has installed the tools; `None`, and said, where it was not named.
pub(super) fn tools() -> Option<PathBuf> {
    let tools = std::env::var_os("AQ_REAL_TOOLS").map(|dir| Path::new(&dir).join("node_modules"));
    if tools.is_none() {
        skipped(
            "AQ_REAL_TOOLS names no directory of tools; `./test --install --long` installs them",
        );
    }
    tools
}

/// A sandbox with the project in a repository, and no queue in sight of it.
pub(super) fn with_project(tools: &Path) -> Sandbox {
    let mut sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("tmp")).unwrap();
    // The home of the tests is not where rustup is.
    let cargo = PathBuf::from(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = cargo.parent().map(Path::to_owned).into_iter().chain(std::env::split_paths(&path));
    sandbox.set("PATH", std::env::join_paths(dirs).unwrap());
    sandbox.set("CARGO_HOME", sandbox.path("cargo"));
    sandbox.set("TOOLS", tools);
    sandbox.set("TMPDIR", sandbox.path("tmp"));
    sandbox.set("npm_config_update_notifier", "false");
    for (name, text) in FILES {
        let path = sandbox.work().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    sandbox.make_repository();
    sandbox
}

/// Runs a program in the user's checkout; it may fail. What it prints.
pub(super) fn run(sandbox: &Sandbox, script: &str) -> String {
    let mut command = Command::new("sh");
    let output = sandbox.clean(&mut command).args(["-c", script]).output().unwrap();
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text += &String::from_utf8_lossy(&output.stderr);
    text
}

/// `aq` as a user types it in his project, who has named no queue.
pub(super) fn aq(sandbox: &Sandbox, args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aq"));
    let args = args.iter().map(OsString::from);
    let output = sandbox.clean(&mut command).args(args).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
