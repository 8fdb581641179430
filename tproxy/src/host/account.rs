//! A user of this host by name or id: from whatever the C library asks or, where this program has its own (a static
//! build), from /etc/passwd alone.
//!
//! A static build must never call the C library's look-ups: those load the host's modules, made for the host's own C
//! library, and die of it.

use std::io::{self, ErrorKind};

use nix::errno::Errno;
use nix::unistd::{Uid, User};

const PASSWD: &str = "/etc/passwd";

/// A user's name and id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) uid: u32,
}

impl Account {
    /// The user of this name.
    pub(super) fn named(name: &str) -> Result<Option<Self>, Errno> {
        if cfg!(target_feature = "crt-static") {
            return written(|account| account.name == name);
        }
        Ok(User::from_name(name)?.map(Self::from))
    }

    /// The user with this id.
    pub(super) fn with_uid(uid: u32) -> Result<Option<Self>, Errno> {
        if cfg!(target_feature = "crt-static") {
            return written(|account| account.uid == uid);
        }
        Ok(User::from_uid(Uid::from_raw(uid))?.map(Self::from))
    }
}

impl From<User> for Account {
    fn from(user: User) -> Self {
        Self { name: user.name, uid: user.uid.as_raw() }
    }
}

/// The first user of the file that is wanted; a host without the file has no users.
fn written(is_wanted: impl Fn(&Account) -> bool) -> Result<Option<Account>, Errno> {
    match std::fs::read(PASSWD) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).lines().filter_map(account).find(is_wanted)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(errno(&error)),
    }
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

/// What a line says: name, password, id, and more.
fn account(line: &str) -> Option<Account> {
    let mut parts = line.split(':');
    let name = parts.next().filter(|name| !name.is_empty())?;
    let uid = parts.nth(1)?.parse().ok()?;
    Some(Account { name: name.to_owned(), uid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_passwd_names_a_user_and_anything_else_nobody() {
        let root = Account { name: "root".to_owned(), uid: 0 };
        assert_eq!(account("root:x:0:0:root:/root:/bin/bash"), Some(root));
        for line in
            ["", "# comment", "+::::::", ":x:0:0::/:", "root:x:many:0:root:/root:/bin/sh", "root:x:-1:0"]
        {
            assert_eq!(account(line), None, "{line}");
        }
    }

    #[test]
    fn the_file_says_of_root_what_the_system_says() {
        assert_eq!(written(|account| account.uid == 0), Account::with_uid(0));
        assert_eq!(written(|account| account.name == "root"), Account::named("root"));
        assert_eq!(written(|account| account.name == "nobody at all"), Ok(None));
    }
}
