//! Sessions: a browser that showed the token gets one, and may act.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aq_coordinator::ApiTokens;
use axum::http::{HeaderMap, header};
use uuid::Uuid;

use super::turns::PageReader;

/// A session that nobody used for so long is over.
const LIFE: Duration = Duration::from_secs(12 * 60 * 60);

/// Sessions at once: more are a script gone wrong, and the oldest go.
const MOST: usize = 100;

/// Wrong tokens that are taken within [`WINDOW`] before every further one is refused unseen.
const GUESSES: u32 = 20;

/// See [`GUESSES`].
const WINDOW: Duration = Duration::from_secs(60);

/// The sessions of all browsers. They live as long as the process.
pub(super) struct BrowserSessions {
    tokens: ApiTokens,
    /// Cookies are the same for all ports of a host, so each dashboard has a name of its own.
    cookie: String,
    state: Mutex<SessionState>,
}

#[derive(Default)]
struct SessionState {
    open: HashMap<String, BrowserSession>,
    /// Wrong tokens since the start of the window.
    wrong: u32,
    window: Option<Instant>,
}

struct BrowserSession {
    csrf: String,
    used: Instant,
}

/// Reason why nobody was signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignInRefusal {
    /// It is not the token.
    Wrong,
    /// Too many wrong ones came before it.
    TooMany,
}

impl fmt::Debug for BrowserSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrowserSessions").field("cookie", &self.cookie).finish_non_exhaustive()
    }
}

impl BrowserSessions {
    pub(super) fn new(tokens: ApiTokens, port: u16) -> Self {
        Self { tokens, cookie: format!("aq_session_{port}"), state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, SessionState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Signs a browser in. Answers the header that gives it its cookie; one that came over TLS, to
    /// a proxy, does not send it without.
    pub(super) fn sign_in(
        &self,
        token: &str,
        is_https: bool,
        now: Instant,
    ) -> Result<String, SignInRefusal> {
        let mut state = self.lock();
        if state.window.is_none_or(|begun| now.duration_since(begun) > WINDOW) {
            state.window = Some(now);
            state.wrong = 0;
        }
        if state.wrong >= GUESSES {
            return Err(SignInRefusal::TooMany);
        }
        if !self.tokens.accept(token) {
            state.wrong += 1;
            return Err(SignInRefusal::Wrong);
        }
        state.open.retain(|_, session| now.duration_since(session.used) < LIFE);
        if state.open.len() >= MOST {
            let oldest = state.open.iter().min_by_key(|(_, session)| session.used);
            let oldest = oldest.map(|(id, _)| id.clone());
            oldest.and_then(|id| state.open.remove(&id));
        }
        let id = secret();
        state.open.insert(id.clone(), BrowserSession { csrf: secret(), used: now });
        let secure = if is_https { "; Secure" } else { "" };
        Ok(self.cookie(&id, LIFE.as_secs()) + secure)
    }

    /// Ends the session that the cookies name. Answers the header that takes the cookie away.
    pub(super) fn sign_out(&self, cookies: Option<&str>) -> String {
        if let Some(id) = self.id(cookies) {
            self.lock().open.remove(id);
        }
        self.cookie("", 0)
    }

    /// The secret that forms of this browser's session carry; `None`: it has not signed in.
    pub(super) fn csrf(&self, cookies: Option<&str>, now: Instant) -> Option<String> {
        let id = self.id(cookies)?;
        let mut state = self.lock();
        let session = state.open.get_mut(id)?;
        if now.duration_since(session.used) >= LIFE {
            state.open.remove(id);
            return None;
        }
        session.used = now;
        Some(session.csrf.clone())
    }

    /// The reader that a request comes from.
    pub(super) fn reader(&self, headers: &HeaderMap) -> PageReader {
        let cookies = headers.get(header::COOKIE).and_then(|cookies| cookies.to_str().ok());
        let id = self.id(cookies).filter(|&id| self.lock().open.contains_key(id));
        id.map_or(PageReader::Anybody, |id| PageReader::Session(id.to_owned()))
    }

    /// Tests for a reader who is still one: his session may have ended.
    pub(super) fn knows(&self, reader: &PageReader) -> bool {
        match reader {
            PageReader::Session(id) => self.lock().open.contains_key(id),
            PageReader::Anybody => true,
        }
    }

    fn id<'a>(&self, cookies: Option<&'a str>) -> Option<&'a str> {
        let mut pairs = cookies?.split(';').filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| *name == self.cookie).map(|(_, value)| value)
    }

    fn cookie(&self, value: &str, seconds: u64) -> String {
        format!("{}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}", self.cookie)
    }
}

/// 244 random bits.
pub(super) fn secret() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef";

    fn sessions() -> BrowserSessions {
        BrowserSessions::new(ApiTokens::parse("test", TOKEN).unwrap(), 7331)
    }

    fn pair(header: &str) -> &str {
        header.split(';').next().unwrap()
    }

    #[test]
    fn token_opens_session_that_ends() {
        let (sessions, now) = (sessions(), Instant::now());
        assert_eq!(sessions.sign_in("0123456789abcdeX", false, now), Err(SignInRefusal::Wrong));
        let header = sessions.sign_in(TOKEN, false, now).unwrap();
        assert!(header.contains("HttpOnly") && header.contains("SameSite=Strict"), "{header}");
        assert!(!header.contains("Secure"), "{header}");
        let header_over_tls = sessions.sign_in(TOKEN, true, now).unwrap();
        assert!(header_over_tls.ends_with("; Secure"), "{header_over_tls}");
        let cookies = format!("other=1; {}", pair(&header));
        let csrf = sessions.csrf(Some(&cookies), now).unwrap();
        assert_eq!(sessions.csrf(Some(&cookies), now + LIFE / 2), Some(csrf));
        assert_eq!(sessions.csrf(Some(&cookies), now + LIFE * 2), None);

        let header = sessions.sign_in(TOKEN, false, now).unwrap();
        assert!(sessions.csrf(Some(pair(&header)), now).is_some());
        assert!(sessions.sign_out(Some(pair(&header))).contains("Max-Age=0"));
        assert_eq!(sessions.csrf(Some(pair(&header)), now), None);
        assert_eq!(sessions.csrf(Some("aq_session_7331=; aq_session_1=x"), now), None);
        assert_eq!(sessions.csrf(None, now), None);
    }

    #[test]
    fn guesses_are_limited_for_a_while() {
        let (sessions, now) = (sessions(), Instant::now());
        for _ in 0..GUESSES {
            assert_eq!(
                sessions.sign_in("wrong-wrong-wrong", false, now),
                Err(SignInRefusal::Wrong)
            );
        }
        assert_eq!(sessions.sign_in(TOKEN, false, now), Err(SignInRefusal::TooMany));
        assert!(sessions.sign_in(TOKEN, false, now + WINDOW * 2).is_ok());
    }

    #[test]
    fn number_of_sessions_is_limited() {
        let (sessions, now) = (sessions(), Instant::now());
        let first = sessions.sign_in(TOKEN, false, now).unwrap();
        for n in 1..=MOST as u64 {
            sessions.sign_in(TOKEN, false, now + Duration::from_millis(n)).unwrap();
        }
        assert_eq!(sessions.csrf(Some(pair(&first)), now), None);
        assert_eq!(sessions.lock().open.len(), MOST);
    }
}
