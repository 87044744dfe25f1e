//! The four-letter words that an administrator sends in place of a handshake; what is answered is left to the front end.

use core::fmt;

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident = $letters:literal;)+) => {
        /// A word of four letters, sent as the first and only thing on a connection. The answer is text, and behind it the
        /// server closes.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum FourLetterWord {
            $($(#[$doc])* $name,)+
        }

        impl FourLetterWord {
            /// All words.
            pub const ALL: &'static [FourLetterWord] = &[$(FourLetterWord::$name),+];

            /// The letters.
            #[must_use]
            pub const fn letters(self) -> &'static str {
                match self {
                    $(FourLetterWord::$name => $letters,)+
                }
            }
        }
    };
}

words! {
    /// How the server is configured.
    Conf = "conf";
    /// The connections, in detail.
    Cons = "cons";
    /// Starts the counters of all connections anew.
    Crst = "crst";
    /// How much room the files take.
    Dirs = "dirs";
    /// The sessions, and their ephemeral nodes.
    Dump = "dump";
    /// The environment of the server.
    Envi = "envi";
    /// The mask of what is traced.
    Gtmk = "gtmk";
    /// Digests of the tree.
    Hash = "hash";
    /// Whether the server is read-only.
    Isro = "isro";
    /// The server's figures, one in each line.
    Mntr = "mntr";
    /// Whether the server is alive.
    Ruok = "ruok";
    /// Starts the counters of the server anew.
    Srst = "srst";
    /// The server, in short.
    Srvr = "srvr";
    /// The server in short, and its connections.
    Stat = "stat";
    /// Watches by session.
    Wchc = "wchc";
    /// Watches by path.
    Wchp = "wchp";
    /// How many watches there are.
    Wchs = "wchs";
}

impl FourLetterWord {
    /// The word of these letters, if there is one.
    #[must_use]
    pub fn of(letters: &[u8]) -> Option<Self> {
        FourLetterWord::ALL.iter().copied().find(|word| word.letters().as_bytes() == letters)
    }
}

impl fmt::Display for FourLetterWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.letters())
    }
}
