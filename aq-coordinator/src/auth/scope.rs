//! The rights of a token's bearer.

use std::fmt;
use std::str::FromStr;

use aq_fleet::protocol::FactoryId;

/// The scope of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TokenScope {
    /// Hand in jobs.
    Submit,
    /// Act as this host and as its shadow, mirror its own jobs, and look.
    Host(FactoryId),
    /// Look at everything.
    Read,
    /// Everything.
    Admin,
}

/// The right that a call takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScopeNeed<'a> {
    /// A token, whichever.
    Token,
    /// A look at jobs, factories and numbers, which hosts have as well.
    Look,
    /// A look at everything.
    Read,
    /// A job for the fleet.
    Submit,
    /// A job for the fleet, or a mirror of a host's own: the body says which.
    Enter,
    /// An act of a host: the body or the path says of which.
    Act,
    /// An act of this host.
    ActAs(&'a FactoryId),
    /// The operator's right.
    Admin,
}

impl TokenScope {
    pub(crate) fn covers(&self, need: ScopeNeed<'_>) -> bool {
        match (self, need) {
            (Self::Admin, _) | (_, ScopeNeed::Token) => true,
            (Self::Read, need) => matches!(need, ScopeNeed::Look | ScopeNeed::Read),
            (Self::Submit, need) => matches!(need, ScopeNeed::Submit | ScopeNeed::Enter),
            (Self::Host(own), ScopeNeed::ActAs(named)) => {
                named == own || named.owner().as_ref() == Some(own)
            }
            (Self::Host(_), need) => {
                matches!(need, ScopeNeed::Look | ScopeNeed::Enter | ScopeNeed::Act)
            }
        }
    }
}

impl FromStr for TokenScope {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "a scope is `submit`, `host:ID`, `read` or `admin`";
        match text {
            "submit" => Ok(Self::Submit),
            "read" => Ok(Self::Read),
            "admin" => Ok(Self::Admin),
            _ => {
                let id = text.strip_prefix("host:").ok_or(EXPECTED)?;
                let id: FactoryId = id.parse().map_err(
                    |_| "the ID of a scope `host:ID` is a host's name in the fleet (AQ_FACTORY_ID)",
                )?;
                if id.is_shadow() {
                    return Err(
                        "a scope `host:ID` covers `ID-shadow` too; write it without `-shadow`",
                    );
                }
                Ok(Self::Host(id))
            }
        }
    }
}

/// The narrowest scope that covers it, as a refusal names it.
impl fmt::Display for ScopeNeed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token | Self::Look | Self::Read => f.write_str("read"),
            Self::Submit | Self::Enter => f.write_str("submit"),
            Self::Act => f.write_str("host:ID"),
            Self::ActAs(factory) => {
                let owner = factory.owner();
                write!(f, "host:{}", owner.as_ref().unwrap_or(factory))
            }
            Self::Admin => f.write_str("admin"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_is_itself_and_shadow() {
        let host: TokenScope = "host:mill".parse().unwrap();
        for (id, may) in [("mill", true), ("mill-shadow", true), ("mill-1", false), ("a", false)] {
            let id: FactoryId = id.parse().unwrap();
            assert_eq!(host.covers(ScopeNeed::ActAs(&id)), may, "{id}");
            assert!(TokenScope::Admin.covers(ScopeNeed::ActAs(&id)));
            assert!(!TokenScope::Submit.covers(ScopeNeed::ActAs(&id)));
        }
        let shadow: FactoryId = "mill-shadow".parse().unwrap();
        assert_eq!(ScopeNeed::ActAs(&shadow).to_string(), "host:mill");
    }

    #[test]
    fn scopes_are_read_and_others_refused() {
        assert_eq!("read".parse(), Ok(TokenScope::Read));
        for wrong in ["", "Admin", "host", "host:", "host:a/b", "host:a-shadow", "write"] {
            assert!(wrong.parse::<TokenScope>().is_err(), "{wrong}");
        }
    }
}
